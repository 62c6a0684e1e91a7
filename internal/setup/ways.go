package setup

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/source"
)

// Ways are the ways in that a configuration names.
type Ways struct {
	Sources []source.Source // of log files
	Feeds   []source.Feed
}

// Ways opens the configuration's sources. A queue among them lives as long as
// ctx. What a feed asks for happened from from on and before to; zero times do
// not bound.
func (e *Env) Ways(ctx context.Context, stdin io.Reader, from, to time.Time) (Ways, error) {
	var w Ways
	for _, spec := range e.Sources {
		if spec == lookup.Name {
			feed, err := e.lookup(ctx, from, to)
			if err != nil {
				return w, err
			}
			w.Feeds = append(w.Feeds, feed)
			continue
		}
		src, err := source.Parse(ctx, spec, source.Deps{Stdin: stdin, S3: e.S3, SQS: e.sqs, Lookback: e.Lookback})
		if err != nil {
			return w, asUsage(err)
		}
		w.Sources = append(w.Sources, src)
	}
	return w, nil
}

func (e *Env) sqs(ctx context.Context) (*sqs.Client, error) {
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return sqs.NewFromConfig(cfg), nil
}

// lookup returns the feed of CloudTrail's event history, in the accounts and
// regions of the configuration: without accounts the own one.
func (e *Env) lookup(ctx context.Context, from, to time.Time) (*lookup.Feed, error) {
	if err := lookup.Check(from, to, time.Now(), e.Timezone); err != nil {
		return nil, asUsage(fmt.Errorf("%s: %w", lookup.Name, err))
	}
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
	var places []lookup.Place
	add := func(account string, regions []string) error {
		if len(regions) == 0 {
			regions = []string{conn.Region()}
		}
		if slices.Contains(regions, "all") {
			return asUsage(fmt.Errorf("%s asks region by region: name them with --region or regions:, in the place of all", lookup.Name))
		}
		for _, region := range regions {
			places = append(places, lookup.Place{Account: account, Region: region})
		}
		return nil
	}
	for _, a := range e.Accounts {
		regions := a.Regions
		if len(regions) == 0 {
			regions = e.Regions
		}
		if err := add(a.ID, regions); err != nil {
			return nil, err
		}
	}
	if len(e.Accounts) == 0 {
		caller, err := conn.Caller(ctx)
		if err != nil {
			return nil, err
		}
		if err := add(caller.Account, e.Regions); err != nil {
			return nil, err
		}
	}
	l, err := e.NewLake(ctx)
	if err != nil {
		return nil, err
	}
	feed, err := lookup.New(lookup.Options{
		Places:   places,
		Config:   conn.Config,
		Ledger:   ledger.New(l),
		Events:   e.LookupEvents.Events,
		From:     from,
		To:       to,
		Location: e.Timezone,
		Lateness: e.LookupEvents.Lateness,
		Rate:     e.Rates.LookupEvents,
	})
	return feed, asUsage(err)
}
