// Names of sites that exist for this process alone (names.py): node --import names.mjs, with TASKSCOPE_TEST_NAMES.
import dns from 'node:dns';

const addresses = JSON.parse(process.env.TASKSCOPE_TEST_NAMES ?? '{}');
const { lookup } = dns;
dns.lookup = (host, ...rest) => lookup(addresses[host] ?? host, ...rest);
