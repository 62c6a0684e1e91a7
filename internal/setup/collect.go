package setup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/redact"
)

// Collect returns the options of a collection run into the configuration's
// lake, which is made if there is none: all but what is read.
func (e *Env) Collect(ctx context.Context, now time.Time) (collect.Options, error) {
	l, err := e.NewLake(ctx)
	if err != nil {
		return collect.Options{}, err
	}
	settings, err := e.Settings()
	if err != nil {
		return collect.Options{}, err
	}
	o := collect.Options{
		Lake:      l,
		Ledger:    ledger.New(l),
		Lookback:  e.Lookback,
		Limits:    cloudtrail.Limits{Record: int(e.Caps.RecordBytes), File: e.Caps.FileInflatedBytes},
		Jobs:      e.Jobs,
		QueryText: redact.Mode(e.QueryText),
		Settings:  settings,
		Now:       now,
		RunID:     RunID(now),
	}
	var clients *Askers
	if e.Details != config.DetailsNone {
		clients = e.Askers()
		o.Details = clients
	}
	if o.References, err = e.references(settings, clients); err != nil {
		return o, err
	}
	o.References.Catalog, err = e.catalog()
	return o, err
}

// RunID returns a name for a run that begins now, which no other has.
func RunID(now time.Time) string {
	var b [6]byte
	rand.Read(b[:])
	return now.UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}

// pacers returns how fast the configuration lets Athena be asked.
func (e *Env) pacers() *athenaapi.Pacers {
	p := athenaapi.NewPacers(e.Rates.BatchGetQueryExecution)
	p.SetRate(athenaapi.OpGetSession, e.Rates.GetSession)
	p.SetRate(athenaapi.OpGetCalculationExecution, e.Rates.GetCalculationExecution)
	p.SetRate(athenaapi.OpListTagsForResource, e.Rates.ListTagsForResource)
	p.SetRate(athenaapi.OpGetWorkGroup, e.Rates.GetWorkGroup)
	return p
}

// Askers make clients of Athena for accounts and regions as they are needed.
type Askers struct {
	env    *Env
	pacers *athenaapi.Pacers

	mu sync.Mutex
}

// Askers returns what asks Athena, at the configuration's rates.
func (e *Env) Askers() *Askers { return &Askers{env: e, pacers: e.pacers()} }

// Of returns whom to ask about an account and region; see [collect.Details].
func (s *Askers) Of(ctx context.Context, account, region string) (collect.Asker, error) {
	client, err := s.Client(ctx, account, region)
	switch {
	case errors.Is(err, awsconn.ErrNoRole):
		return nil, collect.ErrNoRole
	case err != nil || client == nil:
		return nil, err
	case s.details(account) != config.DetailsSystemTable:
		return client, nil
	}
	return s.env.systemTable(ctx, account, region, client)
}

// details returns how an account is asked.
func (s *Askers) details(account string) string {
	for _, a := range s.env.Accounts {
		if a.ID == account && a.Details != "" {
			return a.Details
		}
	}
	return s.env.Details
}

// Client returns a client of Athena in an account and region, nil where the
// configuration wants nothing asked there.
func (s *Askers) Client(ctx context.Context, account, region string) (*athenaapi.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.wanted(account, region) {
		return nil, nil
	}
	conn, err := s.env.AWS(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, account, region)
	if err != nil {
		return nil, err
	}
	return athenaapi.New(cfg, account, s.pacers), nil
}

// wanted tells whether the configuration wants details of an account and
// region.
func (s *Askers) wanted(account, region string) bool {
	if r := s.env.Regions; len(r) > 0 && !slices.Contains(r, "all") && !slices.Contains(r, region) {
		return false
	}
	for _, a := range s.env.Accounts {
		if a.ID == account {
			return a.Details != config.DetailsNone && (len(a.Regions) == 0 || slices.Contains(a.Regions, "all") || slices.Contains(a.Regions, region))
		}
	}
	return true
}
