// Package awsconn holds the credentials that athenatrail works with: its own,
// by the SDK's default chain, and those of the roles it takes in other
// accounts. It makes the aws.Config that a service's client is built from, and
// turns the errors of AWS calls into sentences with a hint.
package awsconn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// AccountPlace stands for the account id in Options.AssumeRole.
const AccountPlace = "{account}"

// sessionName is the role session name under which athenatrail appears in the
// trails of other accounts.
const sessionName = "athenatrail"

// responseTimeout is how long a server may take to begin its answer. Without
// one, a connection that died silently would be waited for for ever.
const responseTimeout = 60 * time.Second

// fallbackRegion is where a client without any region goes. S3 and STS answer
// there for the whole of the aws partition, or name the right region.
const fallbackRegion = "us-east-1"

// ErrNoRole is for an account that is not our own, without a role to take.
var ErrNoRole = errors.New("no role into the account")

// Options say who athenatrail is. The zero value is the SDK's default chain.
type Options struct {
	Profile string // of the shared configuration; empty: AWS_PROFILE or default

	// Regions is the regions asked for. The first is that of a client that is
	// not told one, when neither environment nor profile has a region.
	Regions []string

	// AssumeRole is the ARN of the role of the accounts that Accounts does
	// not name, with {account} for the account id. Empty: none.
	AssumeRole string

	Accounts []Account

	// UserAgent is the part of the user agent that names us, such as
	// athenatrail/1.2.3.
	UserAgent string

	// Load comes last when the configuration is loaded. The demo puts itself
	// in the place of AWS by it.
	Load []func(*config.LoadOptions) error
}

// An Account is another account and the role to take there. An empty Role is
// as if the account were not listed.
type Account struct {
	ID         string
	Role       string
	ExternalID string
}

// A Conn makes clients' configurations. It may be used by several goroutines.
type Conn struct {
	opts Options
	base aws.Config

	mu     sync.Mutex
	roles  map[string]aws.CredentialsProvider // by account id
	caller Caller
}

// A Caller is who the own credentials belong to.
type Caller struct{ Account, ARN string }

// New reads environment and shared configuration. It makes no call, so that
// missing credentials show at the first one.
func New(ctx context.Context, o Options) (*Conn, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = responseTimeout
		t.MaxIdleConnsPerHost = 64
	})
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithRetryer(newRetryer),
		config.WithLogger(logging.Nop{}), // what matters comes as an error
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if name, version, ok := strings.Cut(o.UserAgent, "/"); ok {
		load = append(load, config.WithAPIOptions([]func(*middleware.Stack) error{
			awsmiddleware.AddUserAgentKeyValue(name, version),
		}))
	}
	base, err := config.LoadDefaultConfig(ctx, append(load, o.Load...)...)
	if err != nil {
		return nil, Explained(fmt.Errorf("read the AWS configuration: %w", err))
	}
	if base.Region == "" {
		base.Region = fallbackRegion
		if len(o.Regions) > 0 && regionForm.MatchString(o.Regions[0]) {
			base.Region = o.Regions[0]
		}
	}
	return &Conn{opts: o, base: base, roles: map[string]aws.CredentialsProvider{}}, nil
}

// Region returns the region of a client that is not told one.
func (c *Conn) Region() string { return c.base.Region }

var (
	regionForm  = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

// Config returns what a client for a service in account and region is built
// from: with the role of Options.Accounts; else with the own credentials if the
// account is the caller's own, or empty; else with the role of the template;
// else the error is ErrNoRole. An empty region is the default one.
//
// Account and region may come out of a trail: only what has their form gets
// into a role's ARN or a host's name.
func (c *Conn) Config(ctx context.Context, account, region string) (aws.Config, error) {
	cfg := c.base.Copy()
	if region != "" {
		if !regionForm.MatchString(region) {
			return aws.Config{}, fmt.Errorf("region %q: not the name of an AWS region", region)
		}
		cfg.Region = region
	}
	if account == "" {
		return cfg, nil
	}
	if !accountForm.MatchString(account) {
		return aws.Config{}, fmt.Errorf("account %q: %w", account, ErrNoRole)
	}
	role, err := c.role(ctx, account)
	if err != nil {
		return aws.Config{}, fmt.Errorf("account %s: %w", account, err)
	}
	if role != nil {
		cfg.Credentials = role
	}
	return cfg, nil
}

// role returns the credentials for account, or nil for the own ones.
func (c *Conn) role(ctx context.Context, account string) (aws.CredentialsProvider, error) {
	for _, a := range c.opts.Accounts {
		if a.ID == account && a.Role != "" {
			return c.assume(account, a.Role, a.ExternalID), nil
		}
	}
	caller, err := c.Caller(ctx)
	switch {
	case err != nil:
		return nil, err
	case caller.Account == account:
		return nil, nil
	case c.opts.AssumeRole == "":
		return nil, ErrNoRole
	}
	return c.assume(account, strings.ReplaceAll(c.opts.AssumeRole, AccountPlace, account), ""), nil
}

// assume returns credentials that take the role when they are first needed,
// and again before they expire.
func (c *Conn) assume(account, role, externalID string) aws.CredentialsProvider {
	c.mu.Lock()
	defer c.mu.Unlock()
	if held, ok := c.roles[account]; ok {
		return held
	}
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c.base), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if externalID != "" {
			o.ExternalID = &externalID
		}
	})
	held := aws.NewCredentialsCache(provider, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = time.Minute
	})
	c.roles[account] = held
	return held
}

// Enter gets the credentials for account, which takes its role if it needs one,
// and returns why that fails: errors are as of [Conn.Config], and AWS's.
func (c *Conn) Enter(ctx context.Context, account string) error {
	cfg, err := c.Config(ctx, account, "")
	if err != nil {
		return err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return Explained(fmt.Errorf("account %s: %w", account, err))
	}
	return nil
}

// Caller asks AWS, once, who the own credentials belong to. It needs no
// permission.
func (c *Conn) Caller(ctx context.Context) (Caller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caller.Account != "" {
		return c.caller, nil
	}
	out, err := sts.NewFromConfig(c.base).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Caller{}, Explained(err)
	}
	c.caller = Caller{aws.ToString(out.Account), aws.ToString(out.Arn)}
	return c.caller, nil
}

// Identify asks AWS who the own credentials belong to, and what time it is
// there: that of the answer, zero where it does not tell. It asks every time.
func (c *Conn) Identify(ctx context.Context) (arn string, clock time.Time, err error) {
	out, err := sts.NewFromConfig(c.base).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", time.Time{}, Explained(err)
	}
	clock, _ = awsmiddleware.GetServerTime(out.ResultMetadata)
	return aws.ToString(out.Arn), clock, nil
}
