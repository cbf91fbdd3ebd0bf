// Writes FILE.gz beside each text of the folder that is named, as small as gzip makes it: nginx sends it as it is.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const TEXT = /\.(css|html|js|json|svg|txt|webmanifest)$/;
const WORTH = 512; // bytes: less is one packet either way

const folder = process.argv[2];
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath ?? entry.path, entry.name);
  if (!entry.isFile() || !TEXT.test(entry.name)) continue;
  const text = readFileSync(path);
  if (text.length >= WORTH) writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }));
}
