// What no browser sends: wrong methods, foreign names, slow and huge heads, paths that climb.

import { request } from 'node:http';
import { connect } from 'node:net';
import { addresses } from './reading.mjs';
import { has, is, none } from './tell.mjs';

const HEADERS = {
    'content-security-policy': "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
};

// One call as it is written, without a browser's or a client's own ideas.
const call = (base, path, { method = 'GET', host } = {}) => new Promise((done, failed) => {
    const { hostname, port } = new URL(base);
    const headers = host === undefined ? {} : { host };
    const asked = request({ hostname, port, path, method, headers }, (answer) => {
        let body = '';
        answer.setEncoding('utf8').on('data', (part) => { body += part; });
        answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, body }));
    });
    asked.on('error', failed).end();
});

export async function wire(world) {
    const { base } = world;
    const bare = [];
    const ask = async (path, options) => {
        const answer = await call(base, path, options);
        for (const [name, value] of Object.entries(HEADERS)) {
            if (answer.headers[name] !== value) bare.push([options?.method ?? 'GET', path, name]);
        }
        if (!answer.headers['cache-control']) bare.push([path, 'cache-control']);
        return answer;
    };
    for (const address of Object.values(await addresses(world))) {
        const { status } = await ask(address.replace(base, ''));
        if (status !== 200) bare.push([address, status]);
    }
    for (const path of ['/style.css', '/icon.svg', '/livez', '/readyz', '/api/v1/status', '/api/v1/openapi.json']) {
        is(path, (await ask(path)).status, 200);
    }
    await missing(ask);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
        for (const path of ['/', '/plan', '/api/v1/status', '/nothing']) {
            const { status, headers } = await ask(path, { method });
            is(`${method} ${path}`, [status, headers.allow], [405, 'GET, HEAD']);
        }
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'user@127.0.0.1']) {
        for (const path of ['/', '/plan', '/style.css', '/api/v1/status']) {
            const { status, body } = await ask(path, { host });
            is(`${path} of ${host}`, [status, body.includes('does not go by that name')], [421, true]);
        }
    }
    none('the headers are on every answer', bare);
    await heads(base);
}

async function missing(ask) {
    for (const [path, says] of [
        ['/batches/FFFFFFFF', 'No account has a batch of that id'],
        ['/batches/%2e%2e', 'Not found'],
        ['/batches/..%2f..%2fetc%2fpasswd', 'Not found'],
        [`/batches/${'A'.repeat(5_000)}`, 'Not found'],
        ['/batches/%3Cscript%3Ealert(1)%3C/script%3E', 'Not found'],
        ['/plan?account=nobody', 'There is no such account in the file'],
        ['/runs?account=%3Cb%3E', 'There is no such account in the file'],
        ['/runs/01a21db1-2f0b-782f-bfa5-d5155e2844c5', 'No run of that id is remembered'],
        ['/runs/nonsense', 'No run of that id is remembered'],
        ['/../../etc/passwd', 'There is no page'],
        ['/%3Cscript%3Ealert(1)', 'There is no page'],
        ['/api/v1/nothing', 'there is no `/api/v1/nothing`'],
    ]) {
        const { status, body } = await ask(path);
        is(`${path.slice(0, 60)} is no page`, [status, body.includes('<script>')], [404, false]);
        has(`${path.slice(0, 60)} says`, body, says);
    }
}

// Sends pieces as fast as they are taken; what came back by the time the server let go, and after how long.
const held_on = (base, write) => new Promise((done) => {
    const { hostname, port } = new URL(base);
    const began = Date.now();
    const socket = connect(Number(port), hostname);
    let said = '';
    const end = () => {
        clearInterval(timer);
        clearTimeout(late);
        socket.destroy();
        done({ said, seconds: (Date.now() - began) / 1000, cut: true });
    };
    const late = setTimeout(() => { socket.destroy(); clearInterval(timer); done({ said, seconds: 30, cut: false }); }, 30_000);
    const timer = write(socket);
    socket.on('data', (part) => { said += part; }).on('error', () => {}).on('close', end);
});

async function heads(base) {
    const slow = await held_on(base, (socket) => {
        socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
        return setInterval(() => socket.write('X: y\r\n'), 500);
    });
    is('a head that never ends is let go', [slow.cut, slow.said.includes('200 OK')], [true, false]);
    const silent = await held_on(base, () => undefined);
    is('a connection that says nothing is let go', silent.cut, true);
    const huge = await held_on(base, (socket) => {
        socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'a'.repeat(1_000_000)}\r\n\r\n`);
    });
    is('a head of a megabyte is let go', [huge.cut, huge.said.includes('200 OK'), huge.seconds < 5], [true, false, true]);
    const many = await held_on(base, (socket) => {
        socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\n${'X: y\r\n'.repeat(5_000)}\r\n`);
    });
    is('five thousand headers are let go', [many.cut, many.said.includes('200 OK')], [true, false]);
    is('and the page is there as before', (await call(base, '/')).status, 200);
}
