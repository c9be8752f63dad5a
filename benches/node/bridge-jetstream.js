// The ten lines anybody would write: every event to a JetStream stream.
const { io } = require('socket.io-client')
const { connect, StringCodec } = require('nats')
const [pbx, token, servers] = process.argv.slice(2)
connect({ servers }).then((nats) => {
  const codec = StringCodec()
  const stream = nats.jetstream()
  const socket = io(pbx, { path: '/api/ws/', transports: ['websocket'] })
  socket.on('connect', () => socket.emit('login', { accessKeyId: 'bridge', token }))
  socket.onAny((event, ...args) => stream.publish(`cti.bench.${event}`, codec.encode(JSON.stringify(args.length === 1 ? args[0] : args))).catch(console.error))
})
