// Shows asyncapi.json: every channel, its messages with their fields, and an example of each. Text is set as text.
const page = document.querySelector('#document');

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

/** Text whose `words` are code. */
function prose(name, text) {
  const parts = text.split('`').map((part, index) => (index % 2 === 1 ? element('code', part) : part));
  return element(name, '', ...parts);
}

function resolve(described, schema) {
  return schema.$ref ? schema.$ref.replace('#/', '').split('/').reduce((found, part) => found[part], described) : schema;
}

/** The schemas that a payload may be, by their titles. */
function alternatives(described, schema) {
  const found = resolve(described, schema);
  const several = found.oneOf ?? found.anyOf;
  return several ? several.flatMap((one) => alternatives(described, one)) : [found];
}

function typeOf(described, schema) {
  const kinds = alternatives(described, schema).map((one) => {
    if (one.const !== undefined) return JSON.stringify(one.const);
    if (one.enum) return one.enum.join(' | ');
    if (one.type === 'array' && one.items) return `list of ${typeOf(described, one.items)}`;
    return one.title ?? one.format ?? one.type ?? 'any';
  });
  return [...new Set(kinds)].join(' or ');
}

function fields(described, schema) {
  const rows = Object.entries(schema.properties).map(([name, field]) =>
    element('tr', '', element('td', '', element('code', name)), element('td', typeOf(described, field)), prose('td', field.description ?? '')),
  );
  const head = element('tr', '', element('th', 'Field'), element('th', 'Type'), element('th', 'What it is'));
  const scroll = element('div', '', element('table', '', element('thead', '', head), element('tbody', '', ...rows)));
  scroll.className = 'scroll';
  return [prose('p', `${schema.title ?? ''}: ${schema.description ?? ''}`), scroll];
}

function message(described, { name, summary, payload, examples }, action) {
  const data = payload.properties?.event ? payload.properties.data : payload;
  const parts = alternatives(described, data).filter((one) => one.properties);
  const shown = element('details', '', element('summary', '', element('code', name), ` (${action}) `, prose('span', summary)));
  shown.className = 'message';
  shown.append(...parts.flatMap((one) => fields(described, one)));
  for (const one of examples) shown.append(element('pre', JSON.stringify(one.payload, null, 2)));
  return shown;
}

function channel(described, name, { title, address, description, messages }) {
  const actions = new Map();
  for (const operation of Object.values(described.operations)) {
    for (const { $ref } of operation.messages) actions.set($ref, operation.action === 'send' ? 'from the api' : 'to the api');
  }
  const shown = Object.entries(messages).map(([id, one]) => message(described, one, actions.get(`#/channels/${name}/messages/${id}`)));
  return element('section', '', element('h2', `${title} `, element('code', address)), prose('p', description), ...shown);
}

function types(described) {
  const shown = Object.values(described.components.schemas)
    .filter((schema) => schema.properties)
    .map((schema) => element('details', '', element('summary', '', element('code', schema.title)), ...fields(described, schema)));
  return element('section', '', element('h2', 'Types'), ...shown);
}

const answer = await fetch('../asyncapi.json');
const described = await answer.json();
if (answer.ok) {
  const link = element('a', 'asyncapi.json');
  link.href = '../asyncapi.json';
  page.append(element('h1', `${described.info.title} push`), prose('p', described.info.description), element('p', 'As a file: ', link));
  page.append(...Object.entries(described.channels).map(([name, one]) => channel(described, name, one)), types(described));
} else {
  const signIn = element('a', 'Sign in');
  signIn.href = '../';
  page.append(element('p', `${described.title}: ${described.detail}.`));
  if (answer.status === 401) page.append(element('p', '', signIn, ', and come back.'));
}
