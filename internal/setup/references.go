package setup

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/directory"
)

// references returns whom to ask about work groups, users and accounts: only
// what the configuration has a use for, since each needs a permission.
func (e *Env) references(settings *derive.Settings, clients *Askers) *collect.References {
	r := &collect.References{}
	if settings.Teams.NeedsTags() && clients != nil {
		r.WorkGroup = clients.tags
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
			return directory.Accounts(ctx, cfg)
		}
	}
	return r
}

// tags asks for the tags of a work group. One that is not there any more has
// none to tell.
func (s *Askers) tags(ctx context.Context, account, region, name string) (string, error) {
	client, err := s.client(ctx, account, region)
	if errors.Is(err, awsconn.ErrNoRole) || err == nil && client == nil {
		return "", collect.ErrNoRole
	}
	if err != nil {
		return "", err
	}
	answer, err := client.WorkGroupTags(ctx, name)
	if errors.Is(err, athenaapi.ErrNotFound) {
		return "", nil
	}
	return answer, err
}
