// The ten lines anybody would write: every event to a topic of Kafka.
const { io } = require('socket.io-client')
const { Kafka, logLevel } = require('kafkajs')
const [pbx, token, broker] = process.argv.slice(2)
const producer = new Kafka({ brokers: [broker], logLevel: logLevel.ERROR }).producer()
producer.connect().then(() => {
  const socket = io(pbx, { path: '/api/ws/', transports: ['websocket'] })
  socket.on('connect', () => socket.emit('login', { accessKeyId: 'bridge', token }))
  socket.onAny((event, ...args) => producer.send({ topic: 'cti.events.v1', messages: [{ key: event, value: JSON.stringify(args.length === 1 ? args[0] : args) }] }).catch(console.error))
})
