package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/enforce"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/setup"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A worker does what the handlers decide on.
type worker interface {
	settings() settings

	// onlyFeeds tells that no source has log files: an API is asked.
	onlyFeeds() bool

	// collectedTo is until when log files were delivered that earlier runs
	// read, of all sources; false if that is not known of one of them.
	collectedTo(ctx context.Context) (time.Time, bool, error)
	setCollected(ctx context.Context, to time.Time) error

	// completeTo is the time of events until which the lake is complete.
	completeTo(ctx context.Context) (time.Time, bool, error)

	collect(ctx context.Context, u unit, stop <-chan struct{}) (*collect.Summary, error)
	derive(ctx context.Context, stop <-chan struct{}) (*collect.Summary, error)

	// missing lists what was delivered in a span, and says what of it is not
	// in the lake.
	missing(ctx context.Context, s span) (*collect.Summary, error)

	// deliver collects what messages announce, and returns the ids of those of
	// which not everything is in the lake.
	deliver(ctx context.Context, messages []source.Message, stop <-chan struct{}) (failed []string, sum *collect.Summary, err error)

	// applyLimits does what the configuration's limits ask for.
	applyLimits(ctx context.Context) (*enforce.Result, error)

	export(ctx context.Context, s span) error
	shards(ctx context.Context) ([]shard, error) // that units are cut by, beside their time
	storeUnits(ctx context.Context, units []unit) (*inS3, error)
}

// work returns the worker that the environment describes, which logs with log
// from now on.
func (p *program) work(ctx context.Context, log *slog.Logger) (worker, error) {
	if r, ok := p.worker.(*real); ok {
		r.log = log
	}
	if p.worker != nil {
		return p.worker, nil
	}
	s, err := p.readSettings(ctx)
	if err != nil {
		return nil, err
	}
	env, err := p.env(ctx)
	if err != nil {
		return nil, err
	}
	p.worker = &real{Env: env, set: s, log: log, now: p.now}
	return p.worker, nil
}

// real works on the lake, and on AWS.
type real struct {
	*setup.Env
	set settings
	log *slog.Logger
	now func() time.Time
}

func (r *real) settings() settings { return r.set }

func (r *real) onlyFeeds() bool {
	for _, s := range r.Sources {
		if s != lookupEvents {
			return false
		}
	}
	return true
}

// openLake opens a lake that is there: a function that only looks at it may
// not make one.
func (r *real) openLake(ctx context.Context) (*lake.Lake, error) {
	store, err := r.Store(ctx)
	if err != nil {
		return nil, err
	}
	l, err := lake.Open(ctx, store)
	return l, awsconn.Explained(err)
}

func (r *real) collectedTo(ctx context.Context) (to time.Time, known bool, err error) {
	l, err := r.openLake(ctx)
	if errors.Is(err, lake.ErrNoLake) {
		return to, false, nil
	}
	if err != nil {
		return to, false, err
	}
	sources, err := ledger.New(l).Sources(ctx)
	if err != nil {
		return to, false, err
	}
	newest := map[string]time.Time{}
	for _, s := range sources {
		name, at := s.Name, s.NewestDelivered
		if s.Unread > 0 && s.OldestUnread.Before(at) {
			at = s.OldestUnread
		}
		if strings.HasPrefix(name, lookupEvents+":") { // of one account and region
			name = lookupEvents
		}
		if was, ok := newest[name]; !ok || at.Before(was) {
			newest[name] = at
		}
	}
	for _, name := range r.Sources {
		at := newest[name]
		if at.IsZero() {
			return to, false, nil
		}
		if to.IsZero() || at.Before(to) {
			to = at
		}
	}
	return to, true, nil
}

func (r *real) setCollected(ctx context.Context, to time.Time) error {
	l, err := r.openLake(ctx)
	if err != nil {
		return err
	}
	for _, name := range r.Sources {
		if !strings.HasPrefix(name, "s3://") {
			continue // an API notes itself how far it was asked
		}
		if err := ledger.New(l).SetSource(ctx, ledger.Source{Name: name, NewestDelivered: to, UpdatedBy: setup.RunID(r.now())}); err != nil {
			return err
		}
	}
	return nil
}

func (r *real) completeTo(ctx context.Context) (time.Time, bool, error) {
	l, err := r.openLake(ctx)
	if errors.Is(err, lake.ErrNoLake) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, err
	}
	return ledger.New(l).CompleteTo(ctx)
}

func (r *real) options(ctx context.Context) (collect.Options, error) {
	o, err := r.Collect(ctx, r.now())
	o.Log = r.log
	return o, err
}

func (r *real) collect(ctx context.Context, u unit, stop <-chan struct{}) (*collect.Summary, error) {
	o, err := r.options(ctx)
	if err != nil {
		return nil, err
	}
	o.Bounds = source.Bounds{From: u.From, To: u.To, Exact: true, Account: u.Account, Region: u.Region}
	ways, err := r.Ways(ctx, nil, o.Bounds)
	if o.Sources, o.Feeds = ways.Sources, ways.Feeds; err != nil {
		return nil, err
	}
	// Athena is asked once for all units: each has rates, which they would
	// share, and days are derived once.
	o.Details, o.References, o.NoDerive, o.Stop = nil, nil, true, stop
	return r.logged(collect.Run(ctx, o))
}

func (r *real) derive(ctx context.Context, stop <-chan struct{}) (*collect.Summary, error) {
	o, err := r.options(ctx)
	if err != nil {
		return nil, err
	}
	o.Stop = stop
	return r.logged(collect.Run(ctx, o))
}

func (r *real) missing(ctx context.Context, s span) (*collect.Summary, error) {
	if r.onlyFeeds() {
		return &collect.Summary{}, nil // what an API was not asked, nothing lists
	}
	o, err := r.options(ctx)
	if err != nil {
		return nil, err
	}
	if o.Sources, err = r.LogFiles(ctx, nil); err != nil {
		return nil, err
	}
	o.Bounds = source.Bounds{From: s.From, To: s.To, Exact: true}
	o.Details, o.References, o.DryRun = nil, nil, true
	return collect.Run(ctx, o)
}

// logged writes a line for each problem that a run named.
func (r *real) logged(sum *collect.Summary, err error) (*collect.Summary, error) {
	if err != nil {
		return nil, err
	}
	for _, problem := range sum.Problems {
		r.log.Warn("problem", "problem", problem)
	}
	r.log.Info("run", "listed", sum.Listed, "known", sum.Known, "read", sum.Read, "bytes", sum.ReadLen, "records", sum.Records, "kept", sum.Kept,
		"changed", sum.Changed, "unread", sum.Unread, "damaged", sum.Damaged, "wanted", sum.Wanted, "derived", sum.Derived, "stopped", sum.Stopped, "left", sum.Left)
	return sum, nil
}

// shards are the accounts of the configuration, or of the organization; for an
// API, the places that have a rate of their own.
func (r *real) shards(ctx context.Context) (all []shard, err error) {
	if r.onlyFeeds() {
		places, err := r.LookupPlaces(ctx)
		for _, p := range places {
			all = append(all, shard(p))
		}
		return all, err
	}
	for _, a := range r.Accounts {
		all = append(all, shard{Account: a.ID})
	}
	if len(all) > 0 {
		return all, nil
	}
	if !r.Directory.Accounts {
		return nil, fmt.Errorf("SHARD_BY=%s: the configuration names no accounts: want accounts:, or directory: {accounts: true} in an organization", byAccount)
	}
	conn, err := r.AWS(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, "", "")
	if err != nil {
		return nil, err
	}
	references, err := directory.Accounts(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, a := range references {
		all = append(all, shard{Account: a.ID})
	}
	return all, nil
}

func (r *real) storeUnits(ctx context.Context, units []unit) (*inS3, error) {
	bucket := r.set.bucket
	if bucket == "" {
		rest, _ := strings.CutPrefix(r.Lake, "s3://")
		bucket, _, _ = strings.Cut(rest, "/")
	}
	client, err := r.S3(ctx)
	if err != nil {
		return nil, err
	}
	store, err := lake.NewS3Store(client, bucket, runsPrefix)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(units)
	if err != nil {
		return nil, err
	}
	run := setup.RunID(r.now())
	if err := store.Put(ctx, run+"/units.json", data); err != nil {
		return nil, fmt.Errorf("store the units: %w", err)
	}
	return &inS3{Bucket: bucket, Key: runsPrefix + run + "/units.json"}, nil
}

// runsPrefix begins the keys of files of units, and in the state machine those
// of the results of a distributed Map.
const runsPrefix = "athenatrail-runs/"

func (r *real) export(ctx context.Context, s span) error {
	l, err := r.openLake(ctx)
	if err != nil {
		return err
	}
	client, err := r.S3(ctx)
	if err != nil {
		return err
	}
	dest, err := lake.NewS3Store(client, r.set.bucket, r.set.outputPrefix)
	if err != nil {
		return err
	}
	sum, err := export.Run(ctx, export.Options{
		Lake: l, Dest: dest, From: s.From, To: s.To, Incomplete: true, Zone: r.set.zone,
		Columns: r.set.columns, Output: export.Output(r.set.outputType),
	})
	if err != nil {
		return awsconn.Explained(err)
	}
	r.log.Info("exported", "from", sum.From, "to", sum.To, "hours", sum.Hours, "written", sum.Written, "unchanged", sum.Unchanged,
		"rows", sum.Rows, "bytes", sum.Bytes, "waiting", sum.Waiting)
	return nil
}
