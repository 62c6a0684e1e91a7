package setup

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/catalog"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/directory"
)

// references returns whom to ask about work groups, users and accounts: only
// what the configuration has a use for, since each needs a permission.
func (e *Env) references(settings *derive.Settings, clients *Askers) (*collect.References, error) {
	r := &collect.References{}
	given, err := e.givenAccounts()
	if err == nil {
		r.Given, err = accountReferences(given)
	}
	if err != nil {
		return nil, err
	}
	if settings.Teams.NeedsTags() && clients != nil {
		r.Tags = clients.workGroups((*athenaapi.Client).WorkGroupTags)
	}
	if e.Directory.WorkGroups && clients != nil {
		r.Settings = clients.workGroups(func(c *athenaapi.Client, ctx context.Context, name string) (string, error) {
			settings, err := c.WorkGroupSettings(ctx, name)
			if err != nil {
				return "", err
			}
			return `{"WorkGroup":` + settings + `}`, nil
		})
	}
	if e.Directory.IdentityStore {
		users := directory.NewUsers(func(ctx context.Context, account string) (aws.Config, error) {
			conn, err := e.AWS(ctx)
			if err != nil {
				return aws.Config{}, err
			}
			cfg, err := conn.Config(ctx, account, e.Directory.IdentityStoreRegion)
			if errors.Is(err, awsconn.ErrNoRole) { // a member account may be allowed to ask
				return conn.Config(ctx, "", e.Directory.IdentityStoreRegion)
			}
			return cfg, err
		})
		r.User = func(ctx context.Context, storeARN, userID string) (string, error) {
			ref, err := users.Describe(ctx, storeARN, userID)
			if errors.Is(err, directory.ErrNotFound) {
				return "{}", nil // that too is not asked again for a while
			}
			return ref.Answer, err
		}
	}
	if e.Directory.Accounts {
		r.Accounts = func(ctx context.Context) ([]athenatrail.Reference, error) {
			conn, err := e.AWS(ctx)
			if err != nil {
				return nil, err
			}
			cfg, err := conn.Config(ctx, "", "")
			if err != nil {
				return nil, err
			}
			accounts, failed := directory.Accounts(ctx, cfg)
			refs, err := accountReferences(accounts)
			return refs, errors.Join(failed, err)
		}
	}
	return r, nil
}

func accountReferences(accounts []directory.Account) (refs []athenatrail.Reference, err error) {
	for _, a := range accounts {
		ref, err := a.Reference()
		if err != nil {
			return refs, err
		}
		if ref.Answer != "{}" { // else nothing is said of it
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// catalog returns whom to ask about tables and grants, nil where the
// configuration names nobody.
func (e *Env) catalog() (*collect.Catalog, error) {
	want := e.Catalog
	if want == (config.Catalog{}) {
		return nil, nil
	}
	askers := e.Askers()
	ask := func(list func(context.Context, aws.Config) (catalog.Listing, error)) func(context.Context, string, string) (catalog.Listing, error) {
		return func(ctx context.Context, account, region string) (catalog.Listing, error) {
			if !askers.wanted(account, region) {
				return catalog.Listing{}, collect.ErrNoRole
			}
			conn, err := e.AWS(ctx)
			if err != nil {
				return catalog.Listing{}, err
			}
			cfg, err := conn.Config(ctx, account, region)
			if errors.Is(err, awsconn.ErrNoRole) {
				return catalog.Listing{}, collect.ErrNoRole
			}
			if err != nil {
				return catalog.Listing{}, err
			}
			return list(ctx, cfg)
		}
	}
	c := &collect.Catalog{}
	if want.Glue {
		c.Tables = ask(catalog.Tables)
	}
	if want.LakeFormation {
		c.Grants = ask(catalog.Grants)
	}
	for _, file := range []struct {
		path string
		read func(string) (*catalog.File, error)
	}{{want.File, catalog.ReadTables}, {want.GrantsFile, catalog.ReadGrants}} {
		if file.path == "" {
			continue
		}
		f, err := file.read(file.path)
		if err != nil {
			return nil, asUsage(err)
		}
		c.Files = append(c.Files, f)
	}
	return c, nil
}

// mostDenied is how many work groups of an account and region may be denied
// before any is answered; then the rest is not asked about in this run.
const mostDenied = 3

// workGroups returns what asks for something about work groups. One that is not
// there any more has nothing to tell.
func (s *Askers) workGroups(ask func(c *athenaapi.Client, ctx context.Context, name string) (string, error)) func(ctx context.Context, account, region, name string) (string, error) {
	type place struct{ account, region string }
	denials := map[place]int{} // below zero: one was answered
	return func(ctx context.Context, account, region, name string) (string, error) {
		client, err := s.Client(ctx, account, region)
		if errors.Is(err, awsconn.ErrNoRole) || err == nil && client == nil {
			return "", collect.ErrNoRole
		}
		if err != nil {
			return "", err
		}
		at := place{account, region}
		if denials[at] >= mostDenied {
			return "", nil
		}
		answer, err := ask(client, ctx, name)
		switch {
		case errors.Is(err, athenaapi.ErrNotFound):
			return "", nil
		case errors.Is(err, athenaapi.ErrDenied) && denials[at] >= 0:
			denials[at]++
		case err == nil:
			denials[at] = -1
		}
		return answer, err
	}
}
