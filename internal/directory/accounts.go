package directory

import (
	"context"
	"errors"
	"fmt"
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
	accountsPerPage = 20 // the most that ListAccounts gives

	// maxPages is far more than an organization of 10,000 accounts has, which
	// is the most that AWS grants (Organizations User Guide, quotas). Pages
	// may be empty.
	maxPages = 5000
)

// ErrNoOrganization is for an account that is in none.
var ErrNoOrganization = errors.New("the account is in no organization")

var accountForm = regexp.MustCompile(`^[0-9]{12}$`)

// Accounts lists the accounts of the organization of cfg's credentials, in the
// order of their ids: references without a partition, whose answer is
// canonical JSON with the member Name. AWS answers the management account and
// delegated administrators alone; for others the error is one that
// awsconn.Denied tells, outside an organization [ErrNoOrganization].
func Accounts(ctx context.Context, cfg aws.Config) ([]athenatrail.Reference, error) {
	api := organizations.NewFromConfig(cfg, func(o *organizations.Options) { o.HTTPClient = boundedClient{o.HTTPClient} })
	pace := rate.NewLimiter(perSecond, perSecond)
	in := &organizations.ListAccountsInput{MaxResults: aws.Int32(accountsPerPage)}
	var found []athenatrail.Reference
	for range maxPages {
		if err := pace.Wait(ctx); err != nil {
			return nil, err
		}
		out, err := api.ListAccounts(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the organization's accounts: %w", explained(err))
		}
		for _, a := range out.Accounts {
			id := aws.ToString(a.Id)
			if !accountForm.MatchString(id) {
				continue // it could be no account of a trail
			}
			answer, err := canonical(map[string]string{"Name": aws.ToString(a.Name)})
			if err != nil {
				return nil, fmt.Errorf("account %s: %w", id, err)
			}
			found = append(found, athenatrail.Reference{Kind: athenatrail.KindAccount, ID: id, Answer: answer})
		}
		if aws.ToString(out.NextToken) == "" {
			slices.SortStableFunc(found, func(a, b athenatrail.Reference) int { return strings.Compare(a.ID, b.ID) })
			return slices.CompactFunc(found, func(a, b athenatrail.Reference) bool { return a.ID == b.ID }), nil
		}
		in.NextToken = out.NextToken
	}
	return nil, fmt.Errorf("list the organization's accounts: more than %d pages", maxPages)
}

func explained(err error) error {
	var none *types.AWSOrganizationsNotInUseException
	if errors.As(err, &none) {
		return ErrNoOrganization
	}
	return awsconn.Explained(err)
}
