package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/enforce"
)

// An acted is the answer of the function limits.
type acted struct {
	Done    int    `json:"done"`              // actions: notes, stops, blocks, lifts
	Skipped int    `json:"skipped,omitempty"` // actions that may not be, such as on who is protected
	Sent    int    `json:"sent,omitempty"`    // messages
	Held    int    `json:"held,omitempty"`    // messages that wait for quiet hours to end, or for another try
	Busy    string `json:"busy,omitempty"`    // the run that acts just now
}

// limits does what the thresholds of the configuration's limits ask for, and
// takes back what has ended, as `athenatrail limits apply` does. Everything is
// done once, however often and by how many at once it is called. It fails if
// something could not be done, which is an alarm; the next call tries again.
func limits(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	var none struct{}
	if err := decode(input, &none); err != nil {
		return nil, inputError(input, err, `{}`)
	}
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	if err := noteProgress(ctx, w, p.now()); err != nil {
		return nil, err
	}
	result, err := w.applyLimits(ctx)
	if err != nil {
		return nil, fmt.Errorf("apply limits: %w", err)
	}
	for _, why := range result.Told {
		log.Warn("limit", "warning", why)
	}
	out := &acted{Busy: result.Busy, Sent: result.Notice.Sent, Held: result.Notice.Held}
	var failed []error
	for i := range result.Done {
		x := &result.Done[i]
		// One line for each, so that the log alone tells who was stopped when.
		log.Info("action", "limit", x.LimitName, "subject", x.Subject, "threshold", x.Threshold, "action", x.Action,
			"outcome", x.Outcome, "target", clip(x.Target), "message", clip(x.Message))
		switch x.Outcome {
		case athenatrail.OutcomeFailed:
			failed = append(failed, fmt.Errorf("limit %s: %s %s: %s", x.LimitName, x.Action, clip(x.Target), clip(x.Message)))
		case athenatrail.OutcomeSkipped:
			out.Skipped++
		default:
			out.Done++
		}
	}
	for _, problem := range result.Notice.Problems {
		failed = append(failed, fmt.Errorf("notify: %w", problem))
	}
	return out, errors.Join(failed...)
}

// inFlight is how long a log file that was announced may take to be read. What
// was delivered within it says nothing of how far the lake is.
const inFlight = 10 * time.Minute

// noteProgress notes that the lake holds what was delivered since the daily run,
// if it does: log files that the function queue reads come one by one, and
// nobody may be stopped because of a lake of which it is not known how far it
// is.
func noteProgress(ctx context.Context, w worker, now time.Time) error {
	if w.onlyFeeds() {
		return nil // an API notes itself how far it was asked
	}
	from, known, err := w.collectedTo(ctx)
	to := now.Add(-inFlight).Truncate(time.Minute)
	if err != nil || !known || !from.Before(to) {
		return err
	}
	sum, err := w.missing(ctx, span{from, to})
	if err != nil {
		return fmt.Errorf("look for log files that are not in the lake: %w", err)
	}
	if sum.ToRead > 0 || len(sum.Problems) > 0 {
		return nil
	}
	return w.setCollected(ctx, to)
}

func (r *real) applyLimits(ctx context.Context) (*enforce.Result, error) {
	all, err := r.CompileLimits()
	if err != nil {
		return nil, err
	}
	if len(all.All()) == 0 {
		return nil, missing("ATHENATRAIL_CONFIG", "a configuration with the key limits, such as ssm:/athenatrail/config")
	}
	l, err := r.openLake(ctx)
	if err != nil {
		return nil, err
	}
	o, err := r.Enforce(ctx, l, all, all, r.now())
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	result, err := enforce.Apply(ctx, o)
	return result, awsconn.Explained(err)
}
