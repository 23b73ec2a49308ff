// member-endpoints.test.ts: member lists and ingress lists: read, refused with a reason, printed.

import fc from 'fast-check';
import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import {
  formatIngressEndpoints,
  formatMemberList,
  ingressEndpointsOf,
  MEMBER_LIST_LENGTH_MAX,
  type MemberEndpoints,
  parseIngressEndpoints,
  parseMemberList,
} from '../../src/protocol/member-endpoints.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

const TWO = '1,b:1,b:2,b:3,b:4,b:5|0,a:1,a:2,a:3,a:4,[::1]:5';

function errorOf(call: () => unknown): PawlError {
  try {
    call();
  } catch (error) {
    if (error instanceof PawlError) {
      return error;
    }
  }
  throw new Error('no PawlError was thrown');
}

test('a member list is read in ascending order of member ids', (t) => {
  const members = parseMemberList(TWO);
  t.deepEqual(
    members.map((member) => member.memberId),
    [0, 1],
  );
  t.deepEqual(members[0]?.ingress, { host: 'a', port: 1 });
  t.deepEqual(members[0]?.consensus, { host: 'a', port: 2 });
  t.deepEqual(members[0]?.log, { host: 'a', port: 3 });
  t.deepEqual(members[0]?.catchup, { host: 'a', port: 4 });
  t.deepEqual(members[0]?.archive, { host: '::1', port: 5 });
  t.equal(formatMemberList(members), '0,a:1,a:2,a:3,a:4,[::1]:5|1,b:1,b:2,b:3,b:4,b:5');
  t.equal(formatIngressEndpoints(ingressEndpointsOf(members)), '0=a:1,1=b:1');
  t.end();
});

test('what is wrong with a member list is said', (t) => {
  const cases: readonly (readonly [text: string, code: string, said: RegExp])[] = [
    ['', ErrorCode.ConfigurationInvalid, /has 1 parts: write six, id,ingress,consensus,log/],
    ['0,a:1,a:2,a:3,a:4', ErrorCode.ConfigurationInvalid, /has 5 parts/],
    [`${TWO}|`, ErrorCode.ConfigurationInvalid, /member "" has 1 parts/],
    ['x,a:1,a:2,a:3,a:4,a:5', ErrorCode.ConfigurationInvalid, /member id "x".*from 0 to/],
    ['-1,a:1,a:2,a:3,a:4,a:5', ErrorCode.ConfigurationInvalid, /member id "-1"/],
    ['2147483648,a:1,a:2,a:3,a:4,a:5', ErrorCode.ConfigurationInvalid, /from 0 to 2147483647/],
    ['0,a:1,a:2,a,a:4,a:5', ErrorCode.AddressInvalid, /log address of member 0 is "a"/],
    ['0,a:1,a:2,a:3,a:4,a:1', ErrorCode.ConfigurationInvalid, /archive of member 0 and ingress/],
    [TWO.replace('1,b', '0,b'), ErrorCode.ConfigurationInvalid, /member 0 is listed twice/],
    [TWO.replace('b:1', 'a:1'), ErrorCode.ConfigurationInvalid, /both use a:1/],
  ];
  for (const [text, code, said] of cases) {
    const error = errorOf(() => parseMemberList(text));
    t.equal(error.code, code, error.message);
    t.ok(said.test(error.message), String(said));
  }
  const many = Array.from({ length: MEMBER_LIST_LENGTH_MAX + 1 }, (_, id) => {
    return `${id},h${id}:1,h${id}:2,h${id}:3,h${id}:4,h${id}:5`;
  });
  t.ok(/use at most 32/.test(errorOf(() => parseMemberList(many.join('|'))).message));
  t.end();
});

test('ports that the system chooses may be equal', (t) => {
  t.equal(parseMemberList('0,a:0,a:0,a:0,a:0,a:0').length, 1);
  t.end();
});

test('ingress endpoints are read in ascending order and printed', (t) => {
  const endpoints = parseIngressEndpoints('2=c:3,0=[::1]:1');
  t.deepEqual([...endpoints.keys()], [0, 2]);
  t.equal(formatIngressEndpoints(endpoints), '0=[::1]:1,2=c:3');
  t.end();
});

test('what is wrong with ingress endpoints is said', (t) => {
  const cases: readonly (readonly [text: string, said: RegExp])[] = [
    ['', /has no member id: write 0=host:port/],
    ['a:1', /has no member id/],
    ['x=a:1', /member id "x"/],
    ['0=a:1,0=b:1', /member 0 is listed twice/],
    ['0=a', /ingress endpoint of 0 is "a"/],
    ['0=a:1,', /has no member id/],
  ];
  for (const [text, said] of cases) {
    t.ok(said.test(errorOf(() => parseIngressEndpoints(text)).message), text);
  }
  t.end();
});

test('every member list that is printed is read back as it was', (t) => {
  const port = fc.integer({ min: 0, max: 13_106 });
  const lists = fc.uniqueArray(fc.tuple(fc.nat(), fc.ipV4(), port), {
    minLength: 1,
    maxLength: 7,
    selector: ([memberId]) => memberId,
  });
  const property = fc.property(lists, (list) => {
    const members = list.map(([memberId, host, base], index): MemberEndpoints => {
      const at = (name: number) => ({ host: `h${index}.${host}`, port: base * 5 + name });
      return {
        memberId,
        ingress: at(0),
        consensus: at(1),
        log: at(2),
        catchup: at(3),
        archive: at(4),
      };
    });
    const text = formatMemberList(members);
    const again = parseMemberList(text);
    return formatMemberList(again) === text && again.length === members.length;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('no text makes the list readers throw anything but a PawlError', (t) => {
  const text = fc.string({ maxLength: 60, unit: fc.constantFrom(...'01,|=:.[]ab-') });
  const property = fc.property(text, (input) => {
    for (const read of [parseMemberList, parseIngressEndpoints]) {
      try {
        read(input);
      } catch (error) {
        if (!(error instanceof PawlError)) {
          throw error;
        }
      }
    }
  });
  t.doesNotThrow(() => fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 2_000 }));
  t.end();
});
