// Starts the viewer over the api's own description. Nothing is asked of anybody else: no validator's badge, no fonts.
const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

if (typeof SwaggerUIBundle === 'undefined') {
  document.querySelector('#viewer').textContent = 'The viewer is not here: `make viewer` brings it. openapi.json is what it would show.';
  throw new Error('swagger-ui-bundle.js is missing');
}

/** Swagger UI says no more than "Failed to load" where somebody is asked who they are. */
async function refused(answer) {
  const { title, detail } = await answer.json();
  const said = document.createElement('p');
  said.className = 'refused';
  said.append(`${title}: ${detail}. `);
  if (answer.status === 401) {
    const signIn = document.createElement('a');
    signIn.href = './';
    signIn.textContent = 'Sign in';
    said.append(signIn, ', and come back.');
  }
  document.querySelector('#viewer').replaceChildren(said);
}

async function show(url) {
  const answer = await fetch(url);
  if (!answer.ok) {
    await refused(answer);
    return;
  }
  SwaggerUIBundle({
    url,
    dom_id: '#viewer',
    deepLinking: true,
    displayRequestDuration: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    filter: true,
    requestSnippetsEnabled: true,
    validatorUrl: null,
  });
}

show(new URL('./openapi.json', document.baseURI).href);
