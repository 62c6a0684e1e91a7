package web

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics tells of the server itself.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	views    *prometheus.HistogramVec
	failures *prometheus.CounterVec
	complete prometheus.Gauge
	usable   prometheus.Gauge
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "athenatrail_http_requests_total", Help: "Requests by page and status."}, []string{"page", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "athenatrail_http_request_duration_seconds", Help: "How long answers took, by page.", Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 10)}, []string{"page"}),
		views:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "athenatrail_view_duration_seconds", Help: "How long views took that were not remembered.", Buckets: prometheus.ExponentialBuckets(0.002, 2.5, 10)}, []string{"view"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "athenatrail_view_failures_total", Help: "Views that failed, wrong questions left out."}, []string{"view"}),
		complete: prometheus.NewGauge(prometheus.GaugeOpts{Name: "athenatrail_lake_complete_to_timestamp_seconds", Help: "Up to when the lake is complete; 0 when unknown."}),
		usable:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "athenatrail_lake_readable", Help: "1 if the lake can be read."}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.views, m.failures, m.complete, m.usable)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) lake(x *snapshot) {
	m.complete.Set(0)
	if x.err != nil {
		m.usable.Set(0)
		return
	}
	m.usable.Set(1)
	if !x.completeTo.IsZero() {
		m.complete.Set(float64(x.completeTo.Unix()))
	}
}

func (m *metrics) view(name string, took time.Duration) {
	m.views.WithLabelValues(name).Observe(took.Seconds())
}
