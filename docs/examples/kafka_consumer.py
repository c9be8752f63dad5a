#!/usr/bin/env python3
"""Prints every event of a topic once, as a line of JSON.

pip install confluent-kafka cloudevents
python3 kafka_consumer.py kafka1.example.org:9092 [cti.events.v1]
"""

import json
import sys

from cloudevents.core.bindings import kafka
from confluent_kafka import Consumer

brokers, topic = sys.argv[1], (sys.argv[2:] or ["cti.events.v1"])[0]
consumer = Consumer({"bootstrap.servers": brokers, "group.id": "example-python", "auto.offset.reset": "earliest"})
consumer.subscribe([topic])
newest = {}  # by source and partition; keep it where your results are kept

while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        print(message.error(), file=sys.stderr)
        continue
    event = kafka.from_kafka_event(
        kafka.KafkaMessage(dict(message.headers() or []), message.key(), message.value())
    )
    # A repeated event is never newer than what was seen. Sequences have 20 digits: they compare as text.
    # What the bridge says itself may stand in every partition.
    is_notice = event.get_type().startswith("cti.bridge.")
    place, sequence = (event.get_source(), None if is_notice else message.partition()), event.get_extension("sequence")
    if sequence <= newest.get(place, ""):
        continue
    newest[place] = sequence
    attributes = {name: str(value) for name, value in event.get_attributes().items()}
    print(json.dumps(attributes | {"time": event.get_time().isoformat(), "data": event.get_data()}), flush=True)
