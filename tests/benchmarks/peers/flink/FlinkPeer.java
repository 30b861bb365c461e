import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** Count, sum, min and max per key and 10 s window in Flink: RocksDB, a checkpoint a second, parallelism 1. */
public final class FlinkPeer {
    private static final JsonFactory JSON = new JsonFactory();
    private static volatile boolean began = false;

    /** One event. */
    public static final class Event {
        public String service;
        public double value;
        public long time;
    }

    /** What is kept of a window. */
    public static final class Load {
        public long count;
        public double total;
        public double least = Double.POSITIVE_INFINITY;
        public double most = Double.NEGATIVE_INFINITY;
    }

    /** Bytes to events. */
    public static final class Events extends AbstractDeserializationSchema<Event> {
        @Override
        public Event deserialize(byte[] data) throws IOException {
            if (!began) {
                began = true;
                System.out.println("BEGAN");
            }
            Event event = new Event();
            try (JsonParser parser = JSON.createParser(data)) {
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    if (parser.currentToken() != JsonToken.FIELD_NAME) {
                        continue;
                    }
                    String name = parser.currentName();
                    parser.nextToken();
                    switch (name) {
                        case "service" -> event.service = parser.getText();
                        case "value" -> event.value = parser.getDoubleValue();
                        case "ts" -> event.time = Math.round(parser.getDoubleValue() * 1000);
                        default -> { }
                    }
                }
            }
            return event;
        }
    }

    /** The aggregates. */
    public static final class Fold implements AggregateFunction<Event, Load, Load> {
        @Override
        public Load createAccumulator() {
            return new Load();
        }

        @Override
        public Load add(Event event, Load load) {
            load.count += 1;
            load.total += event.value;
            load.least = Math.min(load.least, event.value);
            load.most = Math.max(load.most, event.value);
            return load;
        }

        @Override
        public Load getResult(Load load) {
            return load;
        }

        @Override
        public Load merge(Load one, Load other) {
            one.count += other.count;
            one.total += other.total;
            one.least = Math.min(one.least, other.least);
            one.most = Math.max(one.most, other.most);
            return one;
        }
    }

    /** A closed window as a line of text. */
    public static final class Lines extends ProcessWindowFunction<Load, String, String, TimeWindow> {
        @Override
        public void process(String key, Context context, Iterable<Load> loads, Collector<String> out) {
            Load load = loads.iterator().next();
            out.collect(key + "," + context.window().getStart() + "," + load.count + "," + load.total + ","
                    + load.least + "," + load.most);
        }
    }

    /** Arguments: broker, topic, group, topic of the results, folder. */
    public static void main(String[] args) throws Exception {
        Configuration settings = new Configuration();
        settings.set(StateBackendOptions.STATE_BACKEND, "rocksdb");
        settings.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + args[4] + "/checkpoints");
        settings.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(512));
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        env.enableCheckpointing(1000);
        env.getConfig().enableObjectReuse();
        KafkaSource<Event> source = KafkaSource.<Event>builder()
                .setBootstrapServers(args[0])
                .setTopics(args[1])
                .setGroupId(args[2])
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setValueOnlyDeserializer(new Events())
                .setProperty("max.poll.records", "10000")
                .setProperty("max.partition.fetch.bytes", "4194304")
                .build();
        KafkaSink<String> sink = KafkaSink.<String>builder()
                .setBootstrapServers(args[0])
                .setRecordSerializer(KafkaRecordSerializationSchema.builder()
                        .setTopic(args[3])
                        .setValueSerializationSchema(new SimpleStringSchema())
                        .build())
                .build();
        env.fromSource(
                        source,
                        WatermarkStrategy.<Event>forBoundedOutOfOrderness(Duration.ofSeconds(5))
                                .withTimestampAssigner((event, before) -> event.time),
                        "events")
                .keyBy(event -> event.service)
                .window(TumblingEventTimeWindows.of(Duration.ofSeconds(10)))
                .aggregate(new Fold(), new Lines())
                .sinkTo(sink);
        env.execute();
        System.out.println("ENDED");
        Thread.sleep(600_000);
    }
}
