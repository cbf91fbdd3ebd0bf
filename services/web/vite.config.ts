import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { bundle, pageFiles } from './bundle.ts';

// Browsers that have light-dark(), color-mix() and :has().
const BROWSERS = ['chrome123', 'edge123', 'firefox121', 'safari17.5'];
const API = 'http://127.0.0.1:5051';

export default defineConfig({
  plugins: [svelte(), pageFiles()],
  resolve: { alias: { $strings: fileURLToPath(new URL('./src/strings/en', import.meta.url)) } }, // another language is another folder
  base: './', // the page is served below any path
  build: {
    target: BROWSERS,
    cssTarget: BROWSERS,
    cssCodeSplit: false, // a page's styles were ten requests before its first row; all of them are 20 KB
    assetsInlineLimit: 0, // the policy is `default-src 'self'`: no data: addresses
    modulePreload: { polyfill: false },
    rolldownOptions: bundle,
  },
  server: { proxy: { '/api': { target: API, ws: true } } },
  test: { include: ['tests/unit/**/*.test.ts'], environment: 'node' },
});
