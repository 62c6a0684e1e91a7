package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// What comes after all units: deriving, the files, and looking whether
// anything was left out.

// A deriving is the input of the function derive, and its answer.
type deriving struct {
	Done  bool `json:"done"`
	Round int  `json:"round"`
}

// derive asks Athena for what the lake lacks, and derives the days that are
// marked, as far as there is time. A day that was derived carries no mark any
// more, and an answer is kept, so the next invocation goes on from there.
func derive(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	var d deriving
	if err := decode(input, &d); err != nil {
		return nil, inputError(input, err, `{} or {"round":3}`)
	}
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	stop, cancel := stopAt(ctx, time.Now())
	defer cancel()
	return oneDeriving(ctx, w, d, stop)
}

func oneDeriving(ctx context.Context, w worker, d deriving, stop <-chan struct{}) (*deriving, error) {
	sum, err := w.derive(ctx, stop)
	if err != nil {
		return nil, fmt.Errorf("derive: %w", err)
	}
	if sum.Stopped && d.Round >= mostRounds {
		return nil, fmt.Errorf("derive: not done after %d invocations", mostRounds)
	}
	return &deriving{Done: !sum.Stopped, Round: d.Round + 1}, nil
}

// An exported is the input of the function export, and its answer: the hours
// that are still to be written.
type exported struct {
	Done  bool   `json:"done"`
	Spans []span `json:"spans"`
}

// exportHours writes one file for each hour of the spans.
func exportHours(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	var e exported
	if err := decode(input, &e); err != nil {
		return nil, inputError(input, err, `{"spans":[{"from":"2026-11-20T05:00:00Z","to":"2026-11-21T05:00:00Z"}]}`)
	}
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	stop, cancel := stopAt(ctx, time.Now())
	defer cancel()
	return oneExport(ctx, w, e, stop)
}

func oneExport(ctx context.Context, w worker, e exported, stop <-chan struct{}) (*exported, error) {
	if w.settings().outputType == outputNone {
		return &exported{Done: true}, nil
	}
	for i, s := range e.Spans {
		for s.From.Before(s.To) {
			select {
			case <-stop:
				e.Spans[i] = s
				return &exported{Spans: e.Spans[i:]}, nil
			default:
			}
			// A day at a time, since that is what an export reads once.
			day := startOfDay(s.From.In(w.settings().zone)).AddDate(0, 0, 1).UTC()
			if day.After(s.To) {
				day = s.To
			}
			if err := w.export(ctx, span{s.From, day}); err != nil {
				return nil, fmt.Errorf("export %s to %s: %w", s.From.UTC().Format(time.RFC3339), day.UTC().Format(time.RFC3339), err)
			}
			s.From = day
		}
	}
	return &exported{Done: true}, nil
}

// A finished is the input of the function finish: from when to when log files
// were delivered that must be in the lake now.
type finished struct {
	Collected []span `json:"collected"`
}

// finish fails if a log file of the spans is not in the lake. Units that failed
// for good do not end an execution, so that one bad folder does not cost the
// day; this ends it, as failed, once all else is done.
func finish(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	var f finished
	if err := decode(input, &f); err != nil || len(f.Collected) == 0 {
		return nil, inputError(input, err, `{"collected":[{"from":"2026-11-20T05:00:00Z","to":"2026-11-21T06:00:00Z"}]}`)
	}
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	return oneFinish(ctx, w, f)
}

type finishedDone struct {
	Complete bool  `json:"complete"`
	Listed   int64 `json:"listed"`
}

func oneFinish(ctx context.Context, w worker, f finished) (*finishedDone, error) {
	out := &finishedDone{Complete: true}
	for _, s := range f.Collected {
		sum, err := w.missing(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("look for log files that were left out: %w", err)
		}
		out.Listed += sum.Listed
		if sum.ToRead > 0 {
			return nil, fmt.Errorf("%d of %d log files delivered from %s to %s are not in the lake; the log of the function unit says why",
				sum.ToRead, sum.Listed, s.From.UTC().Format(time.RFC3339), s.To.UTC().Format(time.RFC3339))
		}
		if len(sum.Problems) > 0 {
			return nil, fmt.Errorf("look for log files that were left out: %s", clip(sum.Problems[0]))
		}
	}
	if w.onlyFeeds() {
		// What an API could not be asked is not listed, but known of it.
		last := f.Collected[len(f.Collected)-1].To
		if to, known, err := w.completeTo(ctx); err != nil {
			return nil, err
		} else if !known || to.Before(last.Add(-time.Hour)) {
			return nil, fmt.Errorf("not everything until %s could be asked for; the log of the function unit says why", last.UTC().Format(time.RFC3339))
		}
	}
	// Of spans that are apart, the last says nothing of the time between.
	if len(f.Collected) == 1 {
		if err := w.setCollected(ctx, f.Collected[0].To); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// deadline fails if yesterday is not wholly in the lake: it runs at the time by
// which it must be, and its failure is an alarm.
func deadline(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	r, err := parseRequest(input, p.now(), w.settings().zone)
	if err != nil {
		return nil, err
	}
	end := r.spans[len(r.spans)-1].To
	if end.After(p.now()) {
		return nil, fmt.Errorf("input %s: not over yet", clip(string(input)))
	}
	to, known, err := w.completeTo(ctx)
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, fmt.Errorf("the lake has nothing yet, and should be complete to %s", end.UTC().Format(time.RFC3339))
	case to.Before(end):
		return nil, fmt.Errorf("the lake is complete to %s, and should be to %s: look at the state machine's executions", to.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	// A unit that failed leaves a hole, which the time alone does not show.
	for _, s := range r.spans {
		sum, err := w.missing(ctx, s)
		if err != nil {
			return nil, err
		}
		if sum.ToRead > 0 {
			return nil, fmt.Errorf("%d log files delivered from %s to %s are not in the lake: look at the state machine's executions", sum.ToRead, s.From.UTC().Format(time.RFC3339), s.To.UTC().Format(time.RFC3339))
		}
	}
	return map[string]any{"complete_to": to.UTC()}, nil
}

// report does in one invocation what the state machine does in many.
func report(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	now := p.now()
	r, err := parseRequest(input, now, w.settings().zone)
	if err != nil {
		return nil, err
	}
	if span := r.spans[len(r.spans)-1].To.Sub(r.spans[0].From); span > 50*time.Hour {
		return nil, fmt.Errorf("input %s: more than two days: the state machine does that", clip(string(input)))
	}
	plan, err := planOf(ctx, w, r, now)
	if err != nil {
		return nil, err
	}
	stop, cancel := stopAt(ctx, time.Now())
	defer cancel()
	out := &reported{Hours: plan.Export.Spans}
	// The units are the parts of one whole here: all of their log files, side
	// by side.
	for _, s := range plan.Finish.Collected {
		done, err := oneUnit(ctx, w, unit{From: s.From, To: s.To}, stop)
		if err != nil {
			return nil, err
		}
		if out.Read += done.Read; !done.Done {
			return nil, errTooMuch
		}
	}
	if done, err := oneDeriving(ctx, w, plan.Derive, stop); err != nil {
		return nil, err
	} else if !done.Done {
		return nil, errTooMuch
	}
	if done, err := oneExport(ctx, w, exported{Spans: slices.Clone(plan.Export.Spans)}, stop); err != nil {
		return nil, err
	} else if !done.Done {
		return nil, errTooMuch
	}
	_, err = oneFinish(ctx, w, plan.Finish)
	return out, err
}

type reported struct {
	Read  int64  `json:"read"`
	Hours []span `json:"hours"`
}

// errTooMuch is for an account that has outgrown one function. What was done
// is kept.
var errTooMuch = errors.New("not done in the function's time: invoke it again, which goes on from there, or use the state machine")

// decode reads an input that this program wrote: an unknown key is a mistake.
func decode(input json.RawMessage, into any) error {
	if len(bytes.TrimSpace(input)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(input))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func inputError(input json.RawMessage, err error, want string) error {
	if err == nil {
		return fmt.Errorf("input %s: want %s", clip(string(input)), want)
	}
	return fmt.Errorf("input %s: want %s: %w", clip(string(input)), want, err)
}
