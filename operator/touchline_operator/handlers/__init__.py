"""kopf as an informer: its events wake loops and do nothing else. The loops are ours (touchline_operator.reconcile)."""
