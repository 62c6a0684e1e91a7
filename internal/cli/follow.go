package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

// stopGrace is how long a run under way may take to store what it has read
// once the program is told to stop. Kubernetes kills after 30 seconds.
const stopGrace = 25 * time.Second

// follow collects until the program is told to stop.
func (a *app) follow(ctx context.Context, e *setup.Env, o collectOptions, ways setup.Ways) error {
	limitMemory()
	if i := slices.IndexFunc(ways.Sources, source.IsFinite); i >= 0 {
		return usage("--follow: nothing can come of %s any more: want a folder, a bucket or a queue", ways.Sources[i].Name())
	}
	f := &follower{interval: o.interval, begun: time.Now(), metrics: newMetrics()}
	if o.listen != "" {
		listener, err := net.Listen("tcp", o.listen)
		if err != nil {
			return &exitError{exitUsage, hint(fmt.Errorf("--listen %s: %w", o.listen, err), "name another address, or none with --listen ''")}
		}
		server := &http.Server{Handler: f.handler(), ReadHeaderTimeout: 5 * time.Second}
		go server.Serve(listener)
		defer server.Close()
		a.note("/healthz and /metrics answer at http://%s", listener.Addr())
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-work.Done():
			return
		}
		close(stop)
		a.note("stopping: storing what was read")
		time.AfterFunc(stopGrace, cancel)
	}()
	options := func(ctx context.Context) (collect.Options, error) {
		run, err := e.Collect(ctx, time.Now())
		run.Sources, run.Feeds = ways.Sources, ways.Feeds
		if o.from != "" && err == nil {
			bounds, _, err := collectWindow(e, o, time.Now())
			if err != nil {
				return run, err
			}
			run.Bounds.From = bounds
		}
		return run, err
	}
	var limits *limiter
	if !o.noLimits {
		var err error
		if limits, err = a.newLimiter(ctx, e); err != nil {
			return err
		}
	}
	var before []string // what was wrong the last time, which is not said again
	err := collect.Follow(work, stop, o.interval, options, func(sum *collect.Summary, took time.Duration, err error) {
		if sum.Read+sum.Pages+sum.Derived+sum.Wanted > 0 {
			a.note("%s: read %s, %s, derived %s in %s", time.Now().UTC().Format(time.RFC3339), count(sum.Read, "log file"),
				count(sum.Changed, "fact was new", "facts were new"), count(sum.Derived, "day"), took.Round(10*time.Millisecond))
		}
		problems := sum.Problems
		if err != nil {
			problems = append(problems, "this run failed, the next tries again: "+err.Error())
		}
		for _, p := range problems {
			if !slices.Contains(before, p) {
				a.say("warning", errors.New(p))
			}
		}
		before = problems
		var completeTo time.Time
		if lake, openErr := e.OldLake(work); openErr == nil {
			completeTo, _, _ = ledger.New(lake).CompleteTo(work)
		}
		f.told(sum, took, err, completeTo)
		if limits != nil && err == nil {
			f.metrics.acted(limits.round(work))
		}
	})
	if err == nil {
		a.note("stopped")
	}
	return err
}

// A follower says how following goes, over HTTP.
type follower struct {
	interval time.Duration
	begun    time.Time
	metrics  *metrics

	mu         sync.Mutex
	lastGood   time.Time
	lastError  string
	completeTo time.Time
}

func (f *follower) told(sum *collect.Summary, took time.Duration, err error, completeTo time.Time) {
	f.metrics.add(sum, took, err, completeTo)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.completeTo = completeTo
	if err != nil {
		f.lastError = err.Error()
		return
	}
	f.lastGood, f.lastError = time.Now(), ""
}

// healthyFor is how long after the last run that went well, or after the
// start, following counts as healthy.
func (f *follower) healthyFor() time.Duration { return max(10*f.interval, 10*time.Minute) }

func (f *follower) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(f.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		answer := struct {
			Status     string    `json:"status"`
			LastRun    time.Time `json:"last_run,omitzero"`
			CompleteTo time.Time `json:"complete_to,omitzero"`
			Error      string    `json:"error,omitempty"`
		}{"ok", f.lastGood.UTC(), f.completeTo.UTC(), f.lastError}
		since := f.lastGood
		if since.IsZero() {
			since = f.begun
		}
		code := http.StatusOK
		if time.Since(since) > f.healthyFor() {
			answer.Status, code = "failing", http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(answer)
	})
	return mux
}

// metrics are what Prometheus is told.
type metrics struct {
	registry   *prometheus.Registry
	runs       *prometheus.CounterVec
	seconds    prometheus.Histogram
	files      *prometheus.CounterVec
	bytes      prometheus.Counter
	records    *prometheus.CounterVec
	facts      prometheus.Counter
	details    *prometheus.CounterVec
	days       prometheus.Counter
	problems   prometheus.Counter
	limits     *prometheus.CounterVec
	lastRun    prometheus.Gauge
	completeTo prometheus.Gauge
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "athenatrail", Name: name, Help: help})
	}
	by := func(name, help, label string, values ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "athenatrail", Name: name, Help: help}, []string{label})
		for _, value := range values {
			v.WithLabelValues(value)
		}
		return v
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "athenatrail", Name: name, Help: help})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		runs:     by("collect_runs_total", "Runs, by how they ended.", "result", "done", "incomplete", "failed"),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "athenatrail", Name: "collect_run_seconds", Help: "How long runs took.",
			Buckets: []float64{0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000},
		}),
		files:      by("log_files_total", "Log files, by how they fared.", "result", "read", "damaged", "unread"),
		bytes:      counter("log_file_bytes_total", "Bytes of log files read, as delivered."),
		records:    by("records_total", "Records of Athena, STS and Lake Formation, by what became of them.", "result", "kept", "dropped", "undecodable"),
		facts:      counter("facts_changed_total", "Facts that were new or better than those held."),
		details:    by("details_total", "Executions, sessions and calculations that Athena was asked for, by its answer.", "outcome"),
		days:       counter("days_derived_total", "Days of an account and region that were derived."),
		problems:   counter("problems_total", "What could not be read, asked or decoded."),
		limits:     by("limit_actions_total", "What was done because of limits, by what came of it.", "outcome", athenatrail.OutcomeDone, athenatrail.OutcomeFailed, athenatrail.OutcomeSkipped),
		lastRun:    gauge("last_run_timestamp_seconds", "When the last run that went well ended."),
		completeTo: gauge("complete_to_timestamp_seconds", "Until when the lake holds all that its sources hold."),
	}
	m.registry.MustRegister(m.runs, m.seconds, m.files, m.bytes, m.records, m.facts, m.details, m.days, m.problems, m.limits, m.lastRun, m.completeTo,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// acted counts what was done because of limits.
func (m *metrics) acted(list []athenatrail.LimitAction) {
	for i := range list {
		m.limits.WithLabelValues(list[i].Outcome).Inc()
	}
}

func (m *metrics) add(sum *collect.Summary, took time.Duration, err error, completeTo time.Time) {
	result := "done"
	switch {
	case err != nil:
		result = "failed"
	case sum.Incomplete():
		result = "incomplete"
	}
	m.runs.WithLabelValues(result).Inc()
	m.seconds.Observe(took.Seconds())
	m.files.WithLabelValues("read").Add(float64(sum.Read - sum.Damaged))
	m.files.WithLabelValues("damaged").Add(float64(sum.Damaged))
	m.files.WithLabelValues("unread").Add(float64(sum.Unread))
	m.bytes.Add(float64(sum.ReadLen))
	m.records.WithLabelValues("kept").Add(float64(sum.Kept))
	m.records.WithLabelValues("dropped").Add(float64(sum.Dropped))
	m.records.WithLabelValues("undecodable").Add(float64(sum.Undecodable))
	m.facts.Add(float64(sum.Changed))
	for outcome, n := range sum.Outcomes {
		m.details.WithLabelValues(strings.ToLower(outcome)).Add(float64(n))
	}
	m.days.Add(float64(sum.Derived))
	m.problems.Add(float64(int64(len(sum.Problems)) + sum.Further))
	if err == nil {
		m.lastRun.SetToCurrentTime()
	}
	if !completeTo.IsZero() {
		m.completeTo.Set(float64(completeTo.Unix()))
	}
}
