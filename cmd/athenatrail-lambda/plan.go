package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// A unit is what one invocation collects: the log files that were delivered
// from From on and before To, of one account and region or of all. Of an API it
// is what happened in that time.
type unit struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Account string    `json:"account,omitempty"`
	Region  string    `json:"region,omitempty"`

	// Round counts the invocations before this one that ended before the unit
	// was done, and Left is how many log files the last of them left.
	Round int   `json:"round,omitempty"`
	Left  int64 `json:"left,omitempty"`
}

// A planned is all that the state machine needs to know: the input of each of
// its tasks. See deploy/statemachine.asl.json.
type planned struct {
	// Units are given here, for a Map within the execution, or in a file in
	// S3, for a distributed one.
	Distributed bool     `json:"distributed"`
	Units       []unit   `json:"units,omitempty"`
	UnitsIn     *inS3    `json:"units_in,omitempty"`
	Concurrency int      `json:"concurrency"`
	Count       int      `json:"count"` // of units
	Derive      deriving `json:"derive"`
	Export      exported `json:"export"`
	Finish      finished `json:"finish"`
}

// inS3 is a file of units.
type inS3 struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
}

// LogValue keeps the units, of which there may be thousands, out of the log.
func (p *planned) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("units", p.Count), slog.Bool("distributed", p.Distributed),
		slog.Any("collected", p.Finish.Collected), slog.Any("hours", p.Export.Spans))
}

// mostInline is how many units a Map within an execution takes. Each makes some
// ten events of the execution's history, of which Step Functions allows 25,000
// (Step Functions Developer Guide, quotas), and more where it takes several
// rounds or tries. It is a variable for the tests alone.
var mostInline = 400

const (
	// mostCatchingUp bounds how far back a scheduled run goes for what earlier
	// ones missed.
	mostCatchingUp = 45 * 24 * time.Hour

	// soonAfter is how long after an hour log files are looked for that hold
	// its events, where an hour alone is asked for. CloudTrail takes some five
	// minutes; what comes later comes with the day.
	soonAfter = time.Hour
)

// plan answers what an input asks for, as units.
func plan(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	now := p.now()
	r, err := parseRequest(input, now, w.settings().zone)
	if err != nil {
		return nil, err
	}
	return planOf(ctx, w, r, now)
}

func planOf(ctx context.Context, w worker, r request, now time.Time) (*planned, error) {
	s := w.settings()
	collect, export, err := spansOf(ctx, w, r, now)
	if err != nil {
		return nil, err
	}
	shards, step := []shard{{}}, time.Hour
	switch {
	case w.onlyFeeds():
		// An API has a rate for each account and region: units of several go on
		// side by side, and several of one would only share it. So the days of
		// one are one unit, which goes on in as many invocations as it takes.
		step = 2 * mostDays * 24 * time.Hour
		if shards, err = w.shards(ctx); err != nil {
			return nil, err
		}
	case s.shardBy == byAccount:
		// One account's day is little, and units of the same day and account
		// would write the same files.
		step = 24 * time.Hour
		if shards, err = w.shards(ctx); err != nil {
			return nil, err
		}
	}
	out := &planned{Concurrency: s.concurrency, Finish: finished{Collected: collect}, Export: exported{Spans: export}}
	if s.outputType == outputNone {
		out.Export.Spans = nil
	}
	var units []unit
	for _, span := range collect {
		for from := span.From; from.Before(span.To); from = from.Add(step) {
			to := from.Add(step)
			if to.After(span.To) {
				to = span.To
			}
			for _, at := range shards {
				units = append(units, unit{From: from, To: to, Account: at.Account, Region: at.Region})
			}
		}
	}
	out.Count = len(units)
	if len(units) <= mostInline {
		out.Units = units
		return out, nil
	}
	out.Distributed = true
	out.UnitsIn, err = w.storeUnits(ctx, units)
	return out, err
}

// spansOf returns from when to when log files were delivered that are to be
// collected, and the hours whose files are to be written.
func spansOf(ctx context.Context, w worker, r request, now time.Time) (collect, export []span, err error) {
	utc := func(s span) span { return span{s.From.UTC(), s.To.UTC()} }
	late := w.settings().lookback
	switch {
	case w.onlyFeeds():
		late = 0 // an API is asked by the time of events
	case r.hours:
		late = soonAfter
	}
	upTo := now.UTC().Add(-settling).Truncate(time.Minute)
	until := func(t time.Time) time.Time { // when the events until t are there
		if t = t.Add(late).UTC(); t.Before(upTo) {
			return t
		}
		return upTo
	}
	for _, s := range r.spans {
		s = utc(s)
		export = append(export, s)
		s.To = until(s.To)
		if n := len(collect); n > 0 && !collect[n-1].To.Before(s.From) {
			collect[n-1].To = s.To
			continue
		}
		collect = append(collect, s)
	}
	if !r.scheduled {
		return collect, export, nil
	}
	// What earlier runs did not come to, and what came late after they did:
	// its hours' files are written again.
	newest, known, err := w.collectedTo(ctx)
	if err != nil || !known {
		return collect, export, err
	}
	from := collect[0].From
	if newest.Before(from) {
		from = newest
	}
	from = from.Add(-late).Truncate(time.Hour)
	if oldest := collect[0].From.Add(-mostCatchingUp); from.Before(oldest) {
		from = oldest
	}
	collect[0].From = from
	export[0].From = startOfDay(from.In(w.settings().zone)).UTC()
	return collect, export, nil
}

// A shard is an account and region, or an empty one: all.
type shard struct{ Account, Region string }

// collectUnit reads one unit's log files, or as many as there is time for. It
// stores facts, and derives nothing.
func collectUnit(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	var u unit
	if err := decode(input, &u); err != nil || !u.From.Before(u.To) {
		return nil, inputError(input, err, `a unit of plan, such as {"from":"2026-11-20T07:00:00Z","to":"2026-11-20T08:00:00Z"}`)
	}
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	stop, cancel := stopAt(ctx, time.Now())
	defer cancel()
	return oneUnit(ctx, w, u, stop)
}

// A unitDone is the answer of a unit: Unit is given to the next invocation
// where it is not done.
type unitDone struct {
	Done bool  `json:"done"`
	Unit *unit `json:"unit,omitempty"`
	Read int64 `json:"read"`

	Known    int64 `json:"known"`    // log files that were read before
	Problems int   `json:"problems"` // named in the log
}

// mostRounds bounds how often a unit, or the deriving, goes on in another
// invocation: a week of Lambda time.
const mostRounds = 700

func oneUnit(ctx context.Context, w worker, u unit, stop <-chan struct{}) (*unitDone, error) {
	sum, err := w.collect(ctx, u, stop)
	if err != nil {
		return nil, fmt.Errorf("collect %s: %w", u, err)
	}
	out := &unitDone{Done: !sum.Stopped, Read: sum.Read, Known: sum.Known, Problems: len(sum.Problems) + int(sum.Further)}
	switch {
	case sum.Stopped && sum.Read == 0 && sum.Pages == 0 && u.Round > 0 && sum.Left >= u.Left:
		return nil, fmt.Errorf("collect %s: no log file could be read within the time of two invocations: give the function more time or memory", u)
	case sum.Stopped && u.Round >= mostRounds:
		return nil, fmt.Errorf("collect %s: not done after %d invocations", u, mostRounds)
	case sum.Stopped:
		u.Round++
		u.Left = sum.Left
		out.Unit = &u
	case sum.Unread > 0:
		// Not the function's answer, so that the state machine tries again.
		return nil, fmt.Errorf("collect %s: %d of %d log files could not be fetched, the first: %s", u, sum.Unread, sum.ToRead, clip(sum.Problems[0]))
	}
	return out, nil
}

func (u unit) String() string {
	s := u.From.UTC().Format(time.RFC3339) + " to " + u.To.UTC().Format(time.RFC3339)
	for _, more := range []string{u.Account, u.Region} {
		if more != "" {
			s += " of " + more
		}
	}
	return s
}
