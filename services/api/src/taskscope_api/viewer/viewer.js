// Starts the viewer over the api's own description. Nothing is asked of anybody else: no validator's badge, no fonts.
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

if (typeof SwaggerUIBundle === 'undefined') {
  document.querySelector('#viewer').textContent = 'The viewer is not here: `make viewer` brings it. openapi.json is what it would show.';
  throw new Error('swagger-ui-bundle.js is missing');
}

SwaggerUIBundle({
  url: new URL('./openapi.json', document.baseURI).href,
  dom_id: '#viewer',
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  filter: true,
  requestSnippetsEnabled: true,
  validatorUrl: null,
});
