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
// ctx. What a feed asks for happened from the bounds' From on and before their
// To, in their account and region; zero ones do not bound. Of log files they
// choose when these are listed.
func (e *Env) Ways(ctx context.Context, stdin io.Reader, b source.Bounds) (Ways, error) {
	var w Ways
	var err error
	if w.Sources, err = e.LogFiles(ctx, stdin); err != nil {
		return w, err
	}
	for _, spec := range e.Sources {
		if spec != lookup.Name {
			continue
		}
		feed, err := e.lookup(ctx, b)
		if err != nil {
			return w, err
		}
		if feed != nil {
			w.Feeds = append(w.Feeds, feed)
		}
	}
	return w, nil
}

// LogFiles opens the sources of log files alone, for who only looks at them.
func (e *Env) LogFiles(ctx context.Context, stdin io.Reader) (list []source.Source, err error) {
	for _, spec := range e.Sources {
		if spec == lookup.Name {
			continue
		}
		src, err := source.Parse(ctx, spec, source.Deps{Stdin: stdin, S3: e.S3, SQS: e.sqs, Lookback: e.Lookback})
		if err != nil {
			return list, asUsage(err)
		}
		list = append(list, src)
	}
	return list, nil
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

// lookup returns the feed of CloudTrail's event history, in the places that the
// bounds let through; nil if they let none through.
func (e *Env) lookup(ctx context.Context, b source.Bounds) (*lookup.Feed, error) {
	if err := lookup.Check(b.From, b.To, time.Now(), e.Timezone); err != nil {
		return nil, asUsage(fmt.Errorf("%s: %w", lookup.Name, err))
	}
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
	places, err := e.LookupPlaces(ctx)
	if err != nil {
		return nil, err
	}
	places = slices.DeleteFunc(places, func(p lookup.Place) bool {
		return b.Account != "" && p.Account != b.Account || b.Region != "" && p.Region != b.Region
	})
	if len(places) == 0 {
		return nil, nil
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
		From:     b.From,
		To:       b.To,
		Location: e.Timezone,
		Lateness: e.LookupEvents.Lateness,
		Rate:     e.Rates.LookupEvents,
	})
	return feed, asUsage(err)
}

// LookupPlaces returns the accounts and regions whose event history is asked:
// those of the configuration, without accounts the own one.
func (e *Env) LookupPlaces(ctx context.Context) (places []lookup.Place, err error) {
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
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
	if len(e.Accounts) > 0 {
		return places, nil
	}
	caller, err := conn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	return places, add(caller.Account, e.Regions)
}
