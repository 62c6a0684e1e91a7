// Package setup makes, of a configuration, what a command works with: the
// connection to AWS, the lake, the sources, what tables are derived with and
// whom to ask. The command line and the Lambda functions share it. It makes no
// call before it is asked to.
package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/annotation"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/directory"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/source"
	"github.com/athenatrail/athenatrail/internal/team"
)

// ErrUsage marks errors that are the configuration's: whoever wrote it can
// mend them.
var ErrUsage = errors.New("usage")

type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error        { return e.error }

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// An Env is a configuration with what is made of it. It may be used by many
// goroutines.
type Env struct {
	*config.Config

	// UserAgent is what AWS is told, and by what our own calls are known
	// again in the trail.
	UserAgent string

	// Warn is told what did not go as configured and was done in another way;
	// nil tells nobody.
	Warn func(error)

	// Statements are those that were run to find details.
	Statements engine.Meter

	mu   sync.Mutex
	conn *awsconn.Conn
}

// New returns the environment of a configuration.
func New(c *config.Config, userAgent string) *Env { return &Env{Config: c, UserAgent: userAgent} }

// Use makes conn the connection to AWS, in the place of that which the
// configuration describes.
func (e *Env) Use(conn *awsconn.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn = conn
}

// AWS returns the connection to AWS, which makes no call until it is used.
func (e *Env) AWS(ctx context.Context) (*awsconn.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil {
		return e.conn, nil
	}
	o := awsconn.Options{Profile: e.Profile, Regions: e.Regions, AssumeRole: e.AssumeRole, UserAgent: e.UserAgent}
	for _, account := range e.Accounts {
		o.Accounts = append(o.Accounts, awsconn.Account{ID: account.ID, Role: account.Role, ExternalID: account.ExternalID})
	}
	var err error
	e.conn, err = awsconn.New(ctx, o)
	return e.conn, err
}

// S3 returns a client with the own credentials.
func (e *Env) S3(ctx context.Context) (*s3.Client, error) {
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, "", "")
	if err != nil {
		return nil, err
	}
	return source.NewClient(cfg), nil
}

// IsS3 reports whether a location of a lake is in S3, not on disk.
func IsS3(location string) bool { return strings.HasPrefix(location, "s3://") }

// Store returns where the lake is, or is to be.
func (e *Env) Store(ctx context.Context) (lake.Store, error) {
	rest, ok := strings.CutPrefix(e.Lake, "s3://")
	if !ok {
		return lake.OpenStore(e.Lake)
	}
	client, err := e.S3(ctx)
	if err != nil {
		return nil, err
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	return lake.NewS3Store(client, bucket, prefix)
}

// NewLake opens the lake for writing; it need not exist.
func (e *Env) NewLake(ctx context.Context) (*lake.Lake, error) {
	store, err := e.Store(ctx)
	if err != nil {
		return nil, err
	}
	l, err := lake.Create(ctx, store)
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	return l, nil
}

// OldLake opens a lake that must exist.
func (e *Env) OldLake(ctx context.Context) (*lake.Lake, error) {
	if !IsS3(e.Lake) {
		if _, err := os.Stat(e.Lake); errors.Is(err, os.ErrNotExist) {
			return nil, noLake(e.Lake)
		}
	}
	store, err := e.Store(ctx)
	if err != nil {
		return nil, err
	}
	l, err := lake.Open(ctx, store)
	if errors.Is(err, lake.ErrNoLake) {
		return nil, noLake(e.Lake)
	}
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	return l, nil
}

// noLake says that there is no lake at a location, and how to make one.
type noLake string

func (l noLake) Error() string { return fmt.Sprintf("open the lake %s: there is none", string(l)) }

func (l noLake) Hint() string {
	return fmt.Sprintf("make one with: athenatrail collect --source s3://TRAIL-BUCKET --lake %s; or look at an example with: athenatrail demo", string(l))
}

// givenAccounts returns what the configuration says of accounts, in the order
// of their ids: its own entries go before those of its file.
func (e *Env) givenAccounts() ([]directory.Account, error) {
	given := map[string]directory.Account{}
	if e.Directory.AccountsFile != "" {
		accounts, err := directory.ReadAccounts(e.Directory.AccountsFile)
		if err != nil {
			return nil, asUsage(err)
		}
		for _, a := range accounts {
			given[a.ID] = a
		}
	}
	for _, a := range e.Accounts {
		known := given[a.ID]
		given[a.ID] = directory.Account{ID: a.ID, Name: cmp.Or(a.Name, known.Name), OU: cmp.Or(a.OU, known.OU)}
	}
	return slices.SortedFunc(maps.Values(given), func(a, b directory.Account) int { return strings.Compare(a.ID, b.ID) }), nil
}

// Settings returns what tables are derived with.
func (e *Env) Settings() (*derive.Settings, error) {
	prices := price.Settings{Units: e.PriceUnits, ZeroByteDML: e.ZeroByteDML}
	for _, p := range e.Prices {
		prices.Prices = append(prices.Prices, price.Override(p))
	}
	table, err := price.NewTable(prices)
	if err != nil {
		return nil, asUsage(err)
	}
	var people *identity.Directory
	if e.Directory.File != "" {
		if people, err = directory.ReadFile(e.Directory.File); err != nil {
			return nil, asUsage(err)
		}
	}
	ladder, err := identity.NewSettings(identity.SettingsOptions{SharedPrincipals: e.SharedPrincipals, Directory: people})
	if err != nil {
		return nil, asUsage(err)
	}
	notes, err := annotation.NewPatterns(e.Comments)
	if err != nil {
		return nil, asUsage(err)
	}
	teams, err := team.New(e.Teams)
	if err != nil {
		return nil, asUsage(err)
	}
	settings := &derive.Settings{Identity: ladder, Prices: table, Notes: notes, Teams: teams}
	given, err := e.givenAccounts()
	if err != nil {
		return nil, err
	}
	settings.AccountNames, settings.AccountOUs = map[string]string{}, map[string]string{}
	for _, account := range given {
		if account.Name != "" {
			settings.AccountNames[account.ID] = account.Name
		}
		if account.OU != "" {
			settings.AccountOUs[account.ID] = account.OU
		}
	}
	for _, p := range e.OwnPrincipals {
		settings.Own = append(settings.Own, glob.New(p))
	}
	return settings, nil
}
