package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/identitystore"
	"github.com/aws/aws-sdk-go-v2/service/identitystore/types"
	"golang.org/x/time/rate"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// ErrNotFound is for a user that the identity store does not have (any more),
// and for an id that cannot be one.
var ErrNotFound = errors.New("there is no such user")

// ErrNoStore is for an identity store that is not there, or not in the region
// that was asked: Identity Center answers in its own alone.
var ErrNoStore = errors.New("there is no such identity store in the region")

// Users asks IAM Identity Center about users. It may be used by several
// goroutines.
type Users struct {
	connect func(ctx context.Context, account string) (aws.Config, error)

	mu     sync.Mutex
	stores map[string]*store // by ARN
}

// A store is an identity store that was asked.
type store struct {
	id     string
	region string
	api    *identitystore.Client
	pace   *rate.Limiter

	mu  sync.Mutex
	err error // why no user of it can be asked for
}

// NewUsers returns Users that are asked with what connect gives for the
// account of an identity store: credentials, and the region of Identity
// Center, which an identity store's ARN does not tell.
func NewUsers(connect func(ctx context.Context, account string) (aws.Config, error)) *Users {
	return &Users{connect: connect, stores: map[string]*store{}}
}

var (
	// storeForm is the ARN of a record's onBehalfOf.identityStoreArn; account
	// and id are parts of calls, so only what has their form gets there
	// (Identity Store API reference, DescribeUser).
	storeForm = regexp.MustCompile(`^arn:aws[a-z-]*:identitystore::([0-9]{12}):identitystore/(d-[0-9a-f]{10}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`)
	userForm  = regexp.MustCompile(`^([0-9a-f]{10}-)?[A-Fa-f0-9]{8}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{4}-[A-Fa-f0-9]{12}$`)
)

// Describe returns what Identity Center says of a user: a reference without a
// partition, whose answer is canonical JSON of those of Email, Name (which AWS
// calls DisplayName) and UserName that the user has. The e-mail address is the
// primary one, or the only one. Nothing else that AWS answers is kept.
//
// Errors are [ErrNotFound] of a user, and of its store [ErrNoStore], those that
// awsconn.Denied and awsconn.BadCredentials tell, and connect's own. After one
// of a store no other user of it is asked for: it would meet the same.
func (u *Users) Describe(ctx context.Context, identityStoreARN, userID string) (athenatrail.Reference, error) {
	if !userForm.MatchString(userID) {
		return athenatrail.Reference{}, fmt.Errorf("user %q: %w", clip(userID), ErrNotFound)
	}
	s, err := u.store(ctx, identityStoreARN)
	if err != nil {
		return athenatrail.Reference{}, err
	}
	if err := s.failed(); err != nil {
		return athenatrail.Reference{}, err
	}
	if err := s.pace.Wait(ctx); err != nil {
		return athenatrail.Reference{}, err
	}
	out, err := s.api.DescribeUser(ctx, &identitystore.DescribeUserInput{IdentityStoreId: &s.id, UserId: &userID})
	if err != nil {
		return athenatrail.Reference{}, s.explain(userID, err)
	}
	answer, err := canonical(map[string]string{
		"Email":    primary(out.Emails),
		"Name":     aws.ToString(out.DisplayName),
		"UserName": aws.ToString(out.UserName),
	})
	if err != nil {
		return athenatrail.Reference{}, fmt.Errorf("user %s: %w", userID, err)
	}
	return athenatrail.Reference{Kind: athenatrail.KindIdentityUser, ID: userID, Answer: answer}, nil
}

func (u *Users) store(ctx context.Context, arn string) (*store, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s, ok := u.stores[arn]; ok {
		return s, nil
	}
	m := storeForm.FindStringSubmatch(arn)
	if m == nil {
		return nil, fmt.Errorf("identity store %q: %w", clip(arn), ErrNoStore)
	}
	cfg, err := u.connect(ctx, m[1])
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s := &store{id: m[2], region: cfg.Region, pace: rate.NewLimiter(rate.Limit(perSecond), perSecond)}
	if err != nil {
		s.err = fmt.Errorf("identity store %s: %w", s.id, err)
	} else {
		s.api = identitystore.NewFromConfig(cfg, func(o *identitystore.Options) { o.HTTPClient = boundedClient{o.HTTPClient} })
	}
	u.stores[arn] = s
	return s, nil
}

func (s *store) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// explain tells an error of the user from one of the store, which it keeps.
func (s *store) explain(userID string, err error) error {
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing) && missing.ResourceType == types.ResourceTypeIdentityStore:
		err = fmt.Errorf("identity store %s: %w %s", s.id, ErrNoStore, s.region)
	case errors.As(err, &missing):
		return fmt.Errorf("identity store %s: user %s: %w", s.id, userID, ErrNotFound)
	case awsconn.Denied(err) || awsconn.BadCredentials(err):
		err = fmt.Errorf("identity store %s: %w", s.id, awsconn.Explained(err))
	default:
		return fmt.Errorf("identity store %s: user %s: %w", s.id, userID, awsconn.Explained(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return s.err
}

// primary returns the address that is marked so, else the only one, else "".
func primary(emails []types.Email) string {
	for _, e := range emails {
		if e.Primary {
			return aws.ToString(e.Value)
		}
	}
	if len(emails) == 1 {
		return aws.ToString(emails[0].Value)
	}
	return ""
}
