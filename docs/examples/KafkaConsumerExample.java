// Prints every event of a topic once: its attributes, and its data.
//
// With kafka-clients and io.cloudevents:cloudevents-kafka in lib/:
// java -cp 'lib/*' KafkaConsumerExample.java kafka1.example.org:9092 [cti.events.v1]

import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.CloudEventDeserializer;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class KafkaConsumerExample {
    public static void main(String[] args) {
        String topic = args.length > 1 ? args[1] : "cti.events.v1";
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8); // as JSON is, whatever the locale
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", args[0], "group.id", "example-java", "auto.offset.reset", "earliest");
        Map<String, String> newest = new HashMap<>(); // by source and partition; keep it where your results are kept
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new CloudEventDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (true) {
                for (ConsumerRecord<String, CloudEvent> record : consumer.poll(Duration.ofSeconds(1))) {
                    CloudEvent event = record.value();
                    // A repeated event is never newer than what was seen. Sequences have 20 digits: they compare as text.
                    // What the bridge says itself may stand in every partition.
                    boolean isNotice = event.getType().startsWith("cti.bridge.");
                    String place = event.getSource() + (isNotice ? "" : " " + record.partition());
                    String sequence = (String) event.getExtension("sequence");
                    if (sequence.compareTo(newest.getOrDefault(place, "")) <= 0) {
                        continue;
                    }
                    newest.put(place, sequence);
                    var attributes = new TreeMap<String, Object>();
                    event.getAttributeNames().forEach(name -> attributes.put(name, event.getAttribute(name)));
                    event.getExtensionNames().forEach(name -> attributes.put(name, event.getExtension(name)));
                    out.println(attributes + "\t" + new String(event.getData().toBytes(), StandardCharsets.UTF_8));
                }
            }
        }
    }
}
