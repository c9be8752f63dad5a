// A real Socket.IO server for the tests: node server.js 3|4 [tls.crt tls.key]
// Writes a JSON line for each thing that happens, and reads a JSON line for each order.
'use strict'
const [version, crt, key] = process.argv.slice(2)
const fs = require('fs')
const { createHash } = require('crypto')
const { Server } = require(`socket.io-${version}`)
let backend = true
const asked = {}
// What a session needs of the API: a token, and who it belongs to. A backend that is down refuses a login like a wrong password.
const api = (request, response) => {
  const answers = {
    '/api/login': backend ? [200, { code: 200, expire: '2100-01-01T00:00:00Z', token: 'token' }] : [401, { code: 401, data: null, message: 'incorrect Username or Password' }],
    '/api/user/me': backend ? [200, { username: 'bridge' }] : [502, { code: 502, message: 'Failed to reach V1 API' }]
  }
  const [status, answer] = answers[request.url] ?? [404, {}]
  request.resume()
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  asked[request.url] = (asked[request.url] ?? 0) + 1
}
const http = crt
  ? require('https').createServer({ cert: fs.readFileSync(crt), key: fs.readFileSync(key) }, api)
  : require('http').createServer(api)
const io = new Server(http, { path: '/api/ws/', transports: ['websocket'], pingInterval: 300, pingTimeout: 10000000, maxHttpBufferSize: 1e8 })
// The middleware before the backend: it takes every websocket, and drops it if there is nobody behind.
const relays = http.listeners('upgrade')
http.removeAllListeners('upgrade').on('upgrade', (request, socket, head) => {
  if (backend) return relays.forEach((relay) => relay.call(http, request, socket, head))
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  tell({ dropped: true })
})
const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n')
let current
let refusing = false
let login = 'drop'
const accepted = (socket) => socket.emit('authe_ok', { message: 'authorized successfully' })
const logins = {
  accept: accepted,
  twice: (socket) => { socket.emit('satellite/summary', {}); accepted(socket); accepted(socket) },
  // As the PBX does it: the namespace ends, the transport stays.
  refuse: (socket) => { socket.emit('401', { message: 'unauthorized access' }); socket.disconnect() },
  leave: (socket) => socket.disconnect(),
  drop: () => {},
  // Each older session of the kind is asked to make way, and each answer, or its absence, logs the new one in.
  rival: (socket, { uaType }) => {
    const rivals = sessions.filter((other) => other.connected && kinds.get(other) === uaType)
    sessions.push(socket)
    kinds.set(socket, uaType)
    if (rivals.length === 0) accepted(socket)
    for (const rival of rivals) {
      const timer = setTimeout(accepted, 2000, socket)
      rival.once('takeOverAck', () => { clearTimeout(timer); accepted(socket) })
      rival.emit('takeOver')
    }
  }
}
const sessions = []
const kinds = new Map()

io.use((socket, next) => (refusing ? next(new Error('not you')) : next()))
io.on('connection', (socket) => {
  current = socket
  socket.on('ping', (...args) => { const ack = args.pop(); if (typeof ack === 'function') ack() })
  socket.onAny((name, ...args) => tell({ heard: name, args: args.filter((arg) => typeof arg !== 'function') }))
  socket.on('disconnect', (reason) => tell({ disconnected: reason }))
  socket.on('login', (what) => logins[login](socket, what))
  tell({ connected: true })
})

const orders = {
  logins: ([how]) => { login = how; tell({ logins: how }) },
  asked: ([url]) => tell({ asked: asked[url] ?? 0 }),
  backend: ([up]) => {
    backend = up
    if (!up) io.sockets.sockets.forEach((socket) => socket.conn.transport.socket._socket.destroy())
    tell({ backend })
  },
  emit: ([name, ...args]) => current.emit(name, ...args),
  binary: ([name, sizes]) => current.emit(name, ...sizes.map((size) => Buffer.alloc(size, 7)), 'end'),
  ask: ([name]) => current.emit(name, 'x', () => tell({ acknowledged: name })),
  large: ([name, size]) => current.emit(name, 'x'.repeat(size)),
  raw: ([text]) => current.conn.transport.socket.send(text),
  rawBinary: ([size]) => current.conn.transport.socket.send(Buffer.alloc(size, 1)),
  // Half of a frame of 100 bytes, and then nothing: what a cut cable leaves.
  half: () => { current.conn.transport.socket._socket.write(Buffer.concat([Buffer.from([0x82, 100]), Buffer.alloc(40)])); current.conn.transport.socket._socket.destroySoon() },
  invalidUtf8: () => current.conn.transport.socket._socket.write(Buffer.from([0x81, 5, 0x34, 0x32, 0xff, 0xfe, 0x5d])),
  leave: () => current.disconnect(false),
  close: () => current.disconnect(true),
  reset: () => { const socket = current.conn.transport.socket._socket; socket.resetAndDestroy() },
  refuse: ([on]) => { refusing = on; tell({ refusing }) }
}
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [[order, args]] = Object.entries(JSON.parse(line))
  orders[order](args)
}).on('close', () => process.exit(0))
http.listen(0, '127.0.0.1', () => tell({ port: http.address().port }))
