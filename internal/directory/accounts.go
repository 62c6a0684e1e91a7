package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"golang.org/x/time/rate"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
)

const (
	perPage = 20 // the most that the lists of Organizations give

	// maxPages is far more than an organization of 10,000 accounts has, which
	// is the most that AWS grants (Organizations User Guide, quotas). Pages
	// may be empty.
	maxPages = 5000

	// maxDepth is twice the levels of organizational units that AWS allows
	// below a root (Organizations User Guide, quotas).
	maxDepth = 10

	// maxUnits is several times what AWS lets an organization have.
	maxUnits = 10_000
)

// ErrNoOrganization is for an account that is in none.
var ErrNoOrganization = errors.New("the account is in no organization")

var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

// An Account is one of an organization, or of a file. What is not told is
// empty.
type Account struct {
	ID   string // 12 digits
	Name string

	// OU is the path of its organizational unit from the root on, with a slash
	// between the names: Root/Production/Data.
	OU string

	State string // ACTIVE, SUSPENDED, ...
}

// Reference returns what is stored of an account: a reference without a
// partition, whose answer is canonical JSON of those of Name, OU and State
// that are told.
func (a Account) Reference() (athenatrail.Reference, error) {
	answer, err := canonical(map[string]string{"Name": a.Name, "OU": a.OU, "State": a.State})
	if err != nil {
		return athenatrail.Reference{}, fmt.Errorf("account %s: %w", a.ID, err)
	}
	return athenatrail.Reference{Kind: athenatrail.KindAccount, ID: a.ID, Answer: answer}, nil
}

// An organization is asked about itself.
type organization struct {
	api  *organizations.Client
	pace *rate.Limiter
}

func organizationOf(cfg aws.Config) *organization {
	return &organization{
		api:  organizations.NewFromConfig(cfg, func(o *organizations.Options) { o.HTTPClient = boundedClient{o.HTTPClient} }),
		pace: rate.NewLimiter(rate.Limit(perSecond), perSecond),
	}
}

// AccountNames lists the accounts of the organization of cfg's credentials, in
// the order of their ids and without OU, by one call of ListAccounts for every
// twenty. AWS answers the management account and delegated administrators
// alone; for others the error is one that awsconn.Denied tells, outside an
// organization [ErrNoOrganization].
func AccountNames(ctx context.Context, cfg aws.Config) ([]Account, error) {
	return organizationOf(cfg).accounts(ctx)
}

// Accounts is [AccountNames] with the OU of each. The organization is walked
// from its root: ListRoots once, then ListOrganizationalUnitsForParent and
// ListAccountsForParent for each unit, which tells names as well. Asking for
// the parent of each account instead would need a call for each account and
// one for each unit, and not the names.
//
// Where the walk fails the accounts are those of ListAccounts, with the OUs
// that were found; the error says what failed. So accounts may come along with
// an error.
func Accounts(ctx context.Context, cfg aws.Config) ([]Account, error) {
	o := organizationOf(cfg)
	found, walked := o.walk(ctx)
	if walked == nil || errors.Is(walked, ErrNoOrganization) || ctx.Err() != nil || awsconn.BadCredentials(walked) {
		return found, walked
	}
	named, err := o.accounts(ctx)
	if err != nil {
		// What allows this call allows the others: see deploy/policy.
		return found, err
	}
	units := map[string]string{}
	for _, a := range found {
		units[a.ID] = a.OU
	}
	for i := range named {
		named[i].OU = units[named[i].ID]
	}
	return named, walked
}

func (o *organization) accounts(ctx context.Context) ([]Account, error) {
	found := map[string]Account{}
	in := &organizations.ListAccountsInput{MaxResults: aws.Int32(perPage)}
	err := o.pages(ctx, func() (*string, error) {
		out, err := o.api.ListAccounts(ctx, in)
		if err != nil {
			return nil, err
		}
		take(found, out.Accounts, "")
		in.NextToken = out.NextToken
		return out.NextToken, nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the organization's accounts: %w", err)
	}
	return sorted(found), nil
}

// A unit is a root or an organizational unit.
type unit struct {
	id    string
	path  string
	depth int
}

// walk returns the accounts with their OUs, as far as it came.
func (o *organization) walk(ctx context.Context) ([]Account, error) {
	found := map[string]Account{}
	err := o.units(ctx, found)
	if err != nil {
		err = fmt.Errorf("list the organizational units: %w", err)
	}
	return sorted(found), err
}

func (o *organization) units(ctx context.Context, found map[string]Account) error {
	var waiting []unit
	roots := &organizations.ListRootsInput{MaxResults: aws.Int32(perPage)}
	err := o.pages(ctx, func() (*string, error) {
		out, err := o.api.ListRoots(ctx, roots)
		if err != nil {
			return nil, err
		}
		for _, r := range out.Roots {
			waiting = append(waiting, unit{aws.ToString(r.Id), pathPart(r.Name), 0})
		}
		roots.NextToken = out.NextToken
		return out.NextToken, nil
	})
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for len(waiting) > 0 {
		u := waiting[0]
		waiting = waiting[1:]
		if seen[u.id] {
			continue // a unit has one parent: the answers contradict each other
		}
		seen[u.id] = true
		switch {
		case len(seen) > maxUnits:
			return fmt.Errorf("more than %d units", maxUnits)
		case u.depth > maxDepth:
			return fmt.Errorf("%q lies more than %d units deep", clip(u.path), maxDepth)
		}
		accounts := &organizations.ListAccountsForParentInput{ParentId: &u.id, MaxResults: aws.Int32(perPage)}
		err := o.pages(ctx, func() (*string, error) {
			out, err := o.api.ListAccountsForParent(ctx, accounts)
			if err != nil {
				return nil, err
			}
			take(found, out.Accounts, u.path)
			accounts.NextToken = out.NextToken
			return out.NextToken, nil
		})
		if err != nil {
			return err
		}
		units := &organizations.ListOrganizationalUnitsForParentInput{ParentId: &u.id, MaxResults: aws.Int32(perPage)}
		err = o.pages(ctx, func() (*string, error) {
			out, err := o.api.ListOrganizationalUnitsForParent(ctx, units)
			if err != nil {
				return nil, err
			}
			for _, below := range out.OrganizationalUnits {
				waiting = append(waiting, unit{aws.ToString(below.Id), u.path + "/" + pathPart(below.Name), u.depth + 1})
			}
			units.NextToken = out.NextToken
			return out.NextToken, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pages calls next, at the pace, until it returns no token.
func (o *organization) pages(ctx context.Context, next func() (token *string, err error)) error {
	for range maxPages {
		if err := o.pace.Wait(ctx); err != nil {
			return err
		}
		token, err := next()
		if err != nil {
			return explained(err)
		}
		if aws.ToString(token) == "" {
			return nil
		}
	}
	return fmt.Errorf("more than %d pages", maxPages)
}

func take(found map[string]Account, accounts []types.Account, path string) {
	for _, a := range accounts {
		id := aws.ToString(a.Id)
		if !accountForm.MatchString(id) {
			continue // it could be no account of a trail
		}
		// State is what will be left when Status is retired (API reference,
		// Account).
		state := cmp.Or(string(a.State), string(a.Status))
		found[id] = Account{ID: id, Name: cleaned(aws.ToString(a.Name)), OU: cleaned(path), State: cleaned(state)}
	}
}

func sorted(found map[string]Account) []Account {
	return slices.SortedFunc(maps.Values(found), func(a, b Account) int { return strings.Compare(a.ID, b.ID) })
}

// pathPart is a unit's name within a path.
func pathPart(name *string) string { return cmp.Or(cleaned(aws.ToString(name)), "?") }

func explained(err error) error {
	var none *types.AWSOrganizationsNotInUseException
	if errors.As(err, &none) {
		return ErrNoOrganization
	}
	return awsconn.Explained(err)
}
