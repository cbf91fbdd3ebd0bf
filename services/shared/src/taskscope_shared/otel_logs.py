"""Logs by OTLP, beside those on standard error: for those who ask for it (`OTEL_LOGS_EXPORTER=otlp`)."""

import logging

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource


def logs_by_otlp(resource: Resource, timeout_seconds: float) -> tuple[LoggerProvider, logging.Handler]:
    """What sends records, and the handler that takes them; those of OpenTelemetry itself would tell of their own sending."""
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(timeout=timeout_seconds)))
    handler = LoggingHandler(logger_provider=provider)
    handler.addFilter(lambda record: not record.name.startswith("opentelemetry"))
    return provider, handler
