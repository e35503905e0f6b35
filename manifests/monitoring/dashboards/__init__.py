"""Grafana dashboards as code; manifests/monitoring/generate.py writes them to json/, where the chart finds them."""
