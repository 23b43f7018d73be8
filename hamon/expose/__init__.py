"""The state of clusters as text that Prometheus reads. Pure: records in, bytes out."""
