// Package evidence tells all that a lake holds of one execution, session or
// calculation: the rows, the rungs of the ladder that were tried, the record of
// the trail that started it, and how its cost was computed. The command line and
// the dashboard show it.
package evidence

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// A Chain is what is told of one row's start: the record behind it and the
// rungs that were tried. It is empty where the lake does not hold the record.
type Chain struct {
	Steps  []identity.Step
	Tool   tool.Tool
	Record json.RawMessage // the start event's, canonical
}

// Why returns by what the tool is known, or "" without a start event.
func (c *Chain) Why() string {
	if c.Record == nil {
		return ""
	}
	return c.Tool.Why()
}

// A Story is what is told of one id, with a chain for each row whose start is
// explained: of all executions and sessions, and of the calculations if one is
// asked about.
type Story struct {
	*report.Who
	ExecutionChains   []Chain
	SessionChains     []Chain
	CalculationChains []Chain
}

// Spark reports whether the story is of a session or a calculation.
func (s *Story) Spark() bool {
	return len(s.Sessions)+len(s.Calculations) > 0 || s.Kind == report.WhoSession || s.Kind == report.WhoCalculation
}

// Tell explains what was found of an id, from the facts.
func Tell(ctx context.Context, b *rebuild.Builder, w *report.Who) (*Story, error) {
	s := &Story{Who: w}
	any := func(*athenatrail.Event) bool { return true }
	if !s.Spark() {
		for _, x := range w.Executions {
			home := athenatrail.Partition{Date: x.Date, Account: x.AccountID, Region: x.RegionName}
			c, err := resolve(ctx, b, home, x.EventID, func(e *athenatrail.Event) bool { return e.QueryExecutionID == x.QueryExecutionID })
			if err != nil {
				return nil, err
			}
			s.ExecutionChains = append(s.ExecutionChains, c)
		}
		return s, nil
	}
	for _, x := range w.Sessions {
		home := athenatrail.Partition{Date: x.Date, Account: x.AccountID, Region: x.RegionName}
		c, err := resolve(ctx, b, home, x.EventID, any)
		if err != nil {
			return nil, err
		}
		s.SessionChains = append(s.SessionChains, c)
	}
	if w.Kind != report.WhoCalculation {
		return s, nil
	}
	for _, x := range w.Calculations {
		home := athenatrail.Partition{Date: x.Date, Account: x.AccountID, Region: x.RegionName}
		c, err := resolve(ctx, b, home, x.EventID, any)
		if err != nil {
			return nil, err
		}
		s.CalculationChains = append(s.CalculationChains, c)
	}
	return s, nil
}

// resolve resolves an event of a day again: the one with that id for which is
// holds. What is not there has an empty chain.
func resolve(ctx context.Context, b *rebuild.Builder, home athenatrail.Partition, id string, is func(*athenatrail.Event) bool) (c Chain, err error) {
	if id == "" {
		return c, nil
	}
	e, steps, with, err := b.Explain(ctx, home, func(e *athenatrail.Event) bool { return e.ID == id && is(e) })
	if errors.Is(err, rebuild.ErrNoEvent) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	return Chain{steps, with, json.RawMessage(e.Record)}, nil
}

// WithoutRecords takes the start events away, for readers who may not see what
// the trail holds: addresses and request parameters of others among it.
func (s *Story) WithoutRecords() {
	for _, chains := range [][]Chain{s.ExecutionChains, s.SessionChains, s.CalculationChains} {
		for i := range chains {
			chains[i].Record = nil
		}
	}
	for i := range s.Activity {
		s.Activity[i].RequestParameters, s.Activity[i].ResponseElements = "", ""
	}
}
