package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/enforce"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// A limiter applies limits after each round of following. What a round asked
// Athena of queries that still run is in the lake by then, so that a breach is
// noticed by the round that learns of its bytes.
type limiter struct {
	app    *app
	env    *setup.Env
	limits *limit.Limits
	teller enforce.Teller // one for all rounds: it remembers what is settled
	before []string       // what was said the last time
}

// newLimiter returns a limiter, nil where no limit does more than observe.
func (a *app) newLimiter(ctx context.Context, e *setup.Env) (*limiter, error) {
	limits, err := e.CompileLimits()
	if err != nil {
		return nil, asUsage(err)
	}
	if len(limits.Only(func(l *limit.Limit) bool { return l.Mode != limit.Observe }).All()) == 0 {
		return nil, nil
	}
	x := &limiter{app: a, env: e, limits: limits}
	if len(e.Notify) > 0 {
		l, err := e.NewLake(ctx)
		if err != nil {
			return nil, err
		}
		if x.teller, err = e.Notifier(ctx, l); err != nil {
			return nil, asUsage(err)
		}
	}
	return x, nil
}

// round applies the limits, and says what was done. That it fails does not end
// the following: the next round tries again.
func (x *limiter) round(ctx context.Context) []athenatrail.LimitAction {
	result, err := x.apply(ctx)
	var said []string
	say := func(text string) {
		if said = append(said, text); !slices.Contains(x.before, text) {
			x.app.say("warning", errors.New(text))
		}
	}
	if err != nil {
		say("apply limits: " + awsconn.Explained(err).Error())
		x.before = said
		return nil
	}
	for _, text := range result.Told {
		say(text)
	}
	for _, problem := range result.Notice.Problems {
		say(problem.Error())
	}
	for i := range result.Done {
		d := &result.Done[i]
		who := limit.Subject{Name: d.Subject}.String()
		text := fmt.Sprintf("limit %s: %s: %s %s: %s", d.LimitName, who, d.Action, d.Target, d.Outcome)
		if why := actionMessage(d); why != "" {
			text += ": " + why
		}
		if d.Outcome == athenatrail.OutcomeFailed {
			say(text)
			continue
		}
		x.app.note("%s: %s", time.Now().UTC().Format(time.RFC3339), text)
	}
	x.before = said
	return result.Done
}

func (x *limiter) apply(ctx context.Context) (*enforce.Result, error) {
	l, err := x.env.OldLake(ctx)
	if err != nil {
		return nil, err
	}
	o, err := x.env.Enforce(ctx, l, x.limits, x.limits, time.Now())
	if err != nil {
		return nil, err
	}
	if x.teller != nil {
		o.Teller = x.teller
	}
	return enforce.Apply(ctx, o)
}
