import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

/** Count, sum, min and max per key and 10 s window in Kafka Streams: RocksDB, changelog, one thread. */
public final class KafkaStreamsPeer {
    private static final JsonFactory JSON = new JsonFactory();
    private static boolean began = false;

    record Event(double value, long time) {}

    record Load(long count, double total, double least, double most) {
        Load add(double value) {
            return new Load(count + 1, total + value, Math.min(least, value), Math.max(most, value));
        }
    }

    /** Arguments: broker, topic, application id, state folder, processing guarantee. */
    public static void main(String[] args) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[2]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[4]);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        settings.put("auto.offset.reset", "earliest");
        settings.put(StreamsConfig.consumerPrefix("max.poll.records"), 10_000);
        settings.put(StreamsConfig.consumerPrefix("max.partition.fetch.bytes"), 4 << 20);
        settings.put(StreamsConfig.producerPrefix("batch.size"), 256 << 10);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(args[1], Consumed.with(Serdes.String(), events())
                        .withTimestampExtractor((record, before) -> ((Event) record.value()).time()))
                .groupByKey()
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(5)))
                .aggregate(
                        () -> new Load(0, 0.0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY),
                        (key, event, load) -> load.add(event.value()),
                        Materialized.<String, Load, WindowStore<Bytes, byte[]>>as("load")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(loads())
                                .withRetention(Duration.ofHours(2))
                                .withLoggingEnabled(Map.of("retention.ms", "-1")));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }

    private static Serde<Event> events() {
        return Serdes.serdeFrom((topic, event) -> null, (topic, data) -> parse(data));
    }

    private static Serde<Load> loads() {
        return Serdes.serdeFrom(
                (topic, load) -> ByteBuffer.allocate(32).putLong(load.count()).putDouble(load.total())
                        .putDouble(load.least()).putDouble(load.most()).array(),
                (topic, data) -> {
                    ByteBuffer from = ByteBuffer.wrap(data);
                    return new Load(from.getLong(), from.getDouble(), from.getDouble(), from.getDouble());
                });
    }

    private static Event parse(byte[] data) {
        if (!began) {
            began = true;
            System.out.println("BEGAN");
        }
        double value = 0;
        double time = 0;
        try (JsonParser parser = JSON.createParser(data)) {
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                if (parser.currentToken() != JsonToken.FIELD_NAME) {
                    continue;
                }
                parser.nextToken();
                if (name.equals("value")) {
                    value = parser.getDoubleValue();
                } else if (name.equals("ts")) {
                    time = parser.getDoubleValue();
                }
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return new Event(value, Math.round(time * 1000));
    }
}
