package setup

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail/internal/completeness"
	"github.com/athenatrail/athenatrail/internal/digest"
)

// AthenaIn returns what lists an account's and region's executions; see
// [completeness.Options].
func (s *Askers) AthenaIn(ctx context.Context, p completeness.Place) (completeness.Athena, error) {
	client, err := s.Client(ctx, p.Account, p.Region)
	if err != nil {
		return nil, err
	}
	if client == nil {
		return nil, nil
	}
	return client, nil
}

// Places returns the accounts and regions that the configuration names. The
// own account counts if regions are named and accounts are not.
func (e *Env) Places(ctx context.Context) (places []completeness.Place, err error) {
	add := func(account string, regions []string) {
		for _, region := range regions {
			if region != "all" {
				places = append(places, completeness.Place{Account: account, Region: region})
			}
		}
	}
	for _, a := range e.Accounts {
		if len(a.Regions) > 0 {
			add(a.ID, a.Regions)
		} else {
			add(a.ID, e.Regions)
		}
	}
	if len(e.Accounts) > 0 || !slices.ContainsFunc(e.Regions, func(r string) bool { return r != "all" }) {
		return places, nil
	}
	conn, err := e.AWS(ctx)
	if err != nil {
		return nil, err
	}
	caller, err := conn.Caller(ctx)
	if err != nil {
		return nil, err
	}
	add(caller.Account, e.Regions)
	return places, nil
}

// TrailKeys returns CloudTrail's public keys, asked of CloudTrail or of a file
// that holds them.
func (e *Env) TrailKeys(file string) (digest.Keys, error) {
	if file != "" {
		keys, err := digest.ReadKeys(file)
		return keys, asUsage(err)
	}
	return digest.AskCloudTrail(func(ctx context.Context, region string) (aws.Config, error) {
		conn, err := e.AWS(ctx)
		if err != nil {
			return aws.Config{}, err
		}
		return conn.Config(ctx, "", region)
	}), nil
}
