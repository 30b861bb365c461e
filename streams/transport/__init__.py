"""Everything between us and Kafka: all that reaches into private parts of faust and aiokafka is here."""
