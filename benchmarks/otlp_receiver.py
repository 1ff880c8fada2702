"""A receiver of OpenTelemetry metrics on loopback, to see what a stack sends: one line for each of ours.

    .venv/bin/python -m benchmarks.otlp_receiver 4318
    AIRFLOW__METRICS__OTEL_ON=True OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 recsys up

in two shells, then `recsys demo`. Ends with Ctrl-C.
"""

import gzip
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

OURS = ".recsys."


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted to ``/v1/metrics`` and prints it."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        for line in points(gzip.decompress(body) if packed else body):
            print(line, flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the metrics are the output."""


def points(document: bytes) -> Iterator[str]:
    """Name, kind and value of each of our points in a request."""
    request = ExportMetricsServiceRequest.FromString(document)
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in (one for one in scope.metrics if OURS in one.name):
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    yield f"{metric.name} {kind} {_value(point):g}"


def _value(point: object) -> float:
    """Of a number, the number; of a histogram, the sum of what was measured."""
    if hasattr(point, "sum"):
        return float(point.sum)
    return float(getattr(point, point.WhichOneof("value")))  # type: ignore[attr-defined]


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
