// Package enforce does what limits ask for: it stops what runs, blocks who is
// over, changes work groups, and takes all of it back. It is the only package
// that changes anything in AWS but for S3, and it writes no policy but its own:
//
//	limit.Report + lake -> plan -> claim -> begun -> calls -> facts
//
// Everything is done at most once for a limit's window, whoever else runs: a
// run claims the right to act by a conditional write (package standing), says
// what it begins, does it, and says what came of it. One that is killed leaves
// what it began, which the next finishes. Every call is one that may be made
// again.
package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	athenatypes "github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"golang.org/x/time/rate"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/standing"
)

// callTimeout bounds one call with its retries: less than a lease.
const callTimeout = 30 * time.Second

// A skipped act was not done, for a reason that is no failure.
type skipped struct{ why string }

func (s *skipped) Error() string { return s.why }

func skip(format string, args ...any) error { return &skipped{fmt.Sprintf(format, args...)} }

// Config returns what clients of an account and region are built from;
// awsconn.Conn's method is one. An empty region is the default one.
type Config func(ctx context.Context, account, region string) (aws.Config, error)

// caller makes the calls. It keeps to half of what Athena and IAM take a second.
type caller struct {
	config Config
	pace   *rate.Limiter
}

func newCaller(config Config) *caller {
	return &caller{config, rate.NewLimiter(10, 10)}
}

// begin waits for the pace, and returns the configuration for a call.
func (c *caller) begin(ctx context.Context, account, region string) (aws.Config, error) {
	if err := c.pace.Wait(ctx); err != nil {
		return aws.Config{}, err
	}
	return c.config(ctx, account, region)
}

// stopQuery cancels a query execution. One that has ended stays as it ended,
// which is no error (API reference, StopQueryExecution).
func (c *caller) stopQuery(ctx context.Context, account, region, id string) error {
	cfg, err := c.begin(ctx, account, region)
	if err != nil {
		return err
	}
	_, err = athena.NewFromConfig(cfg).StopQueryExecution(ctx, &athena.StopQueryExecutionInput{QueryExecutionId: &id})
	return err
}

// terminateSession ends a Spark session. For one that has ended Athena has no
// documented answer, so an InvalidRequestException is taken for that.
func (c *caller) terminateSession(ctx context.Context, account, region, id string) error {
	cfg, err := c.begin(ctx, account, region)
	if err != nil {
		return err
	}
	_, err = athena.NewFromConfig(cfg).TerminateSession(ctx, &athena.TerminateSessionInput{SessionId: &id})
	var invalid *athenatypes.InvalidRequestException
	var gone *athenatypes.ResourceNotFoundException
	if errors.As(err, &invalid) || errors.As(err, &gone) {
		return skip("it had ended: %s", awsconn.Explained(err))
	}
	return err
}

// workGroup reads what limits change of a work group.
func (c *caller) workGroup(ctx context.Context, account, region, name string) (*standing.WorkGroup, error) {
	cfg, err := c.begin(ctx, account, region)
	if err != nil {
		return nil, err
	}
	out, err := athena.NewFromConfig(cfg).GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: &name})
	if err != nil {
		return nil, err
	}
	g := &standing.WorkGroup{State: string(out.WorkGroup.State)}
	if config := out.WorkGroup.Configuration; config != nil {
		g.Cutoff = aws.ToInt64(config.BytesScannedCutoffPerQuery)
	}
	return g, nil
}

// setWorkGroup changes the members of a work group that are given: a state, or
// a cutoff, where less than zero takes it away.
func (c *caller) setWorkGroup(ctx context.Context, account, region, name, state string, cutoff int64) error {
	cfg, err := c.begin(ctx, account, region)
	if err != nil {
		return err
	}
	in := &athena.UpdateWorkGroupInput{WorkGroup: &name, State: athenatypes.WorkGroupState(state)}
	switch {
	case cutoff > 0:
		in.ConfigurationUpdates = &athenatypes.WorkGroupConfigurationUpdates{BytesScannedCutoffPerQuery: &cutoff}
	case cutoff < 0:
		in.ConfigurationUpdates = &athenatypes.WorkGroupConfigurationUpdates{RemoveBytesScannedCutoffPerQuery: aws.Bool(true)}
	}
	_, err = athena.NewFromConfig(cfg).UpdateWorkGroup(ctx, in)
	return err
}

// iam returns a client of IAM in an account.
func (c *caller) iam(ctx context.Context, account string) (*iam.Client, error) {
	cfg, err := c.begin(ctx, account, "")
	if err != nil {
		return nil, err
	}
	return iam.NewFromConfig(cfg), nil
}

// isMissing tells that IAM has no such role, user or policy.
func isMissing(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "NoSuchEntity" || api.ErrorCode() == "NoSuchEntityException")
}

// unescape reads a policy as IAM gives it, in the encoding of URLs.
func unescape(text string) (string, error) { return url.PathUnescape(text) }

// An edit changes a document, and reports whether it is to be written.
type edit func(d *document) (changed bool)

// isReserved tells whether a role is one of Identity Center's, whose inline
// policies nobody can write.
func isReserved(p *standing.Principal) bool {
	return p.Kind == kindRole && strings.HasPrefix(p.Name, "AWSReservedSSO_")
}

// policyTarget returns what is written to block a principal, and how it is
// called.
func policyTarget(p *standing.Principal) (target, operation string) {
	switch {
	case isReserved(p):
		return "arn:" + p.Partition + ":iam::" + p.Account + ":policy/" + limit.BlockPolicy, "iam:CreatePolicyVersion"
	case p.Kind == kindUser:
		return p.ARN(), "iam:PutUserPolicy"
	}
	return p.ARN(), "iam:PutRolePolicy"
}

// editPolicy changes the policy that blocks a principal.
func (c *caller) editPolicy(ctx context.Context, p *standing.Principal, change edit) error {
	api, err := c.iam(ctx, p.Account)
	if err != nil {
		return err
	}
	switch {
	case isReserved(p):
		return editManaged(ctx, api, p, change)
	case p.Kind == kindUser:
		return editUser(ctx, api, p.Name, change)
	}
	return editRole(ctx, api, p.Name, change)
}

func editRole(ctx context.Context, api *iam.Client, role string, change edit) error {
	read := func(name string) (string, error) {
		out, err := api.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
		if err != nil {
			return "", err
		}
		return unescape(aws.ToString(out.PolicyDocument))
	}
	var names []string
	pages := iam.NewListRolePoliciesPaginator(api, &iam.ListRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isMissing(err) {
			return skip("there is no role %s any more", role)
		}
		if err != nil {
			return err
		}
		names = append(names, page.PolicyNames...)
	}
	return editInline(names, read, change, "role "+role, maxRoleInline, func(text string) error {
		_, err := api.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String(PolicyName), PolicyDocument: &text})
		return err
	}, func() error {
		_, err := api.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &role, PolicyName: aws.String(PolicyName)})
		return err
	})
}

func editUser(ctx context.Context, api *iam.Client, user string, change edit) error {
	read := func(name string) (string, error) {
		out, err := api.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: &user, PolicyName: &name})
		if err != nil {
			return "", err
		}
		return unescape(aws.ToString(out.PolicyDocument))
	}
	var names []string
	pages := iam.NewListUserPoliciesPaginator(api, &iam.ListUserPoliciesInput{UserName: &user})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isMissing(err) {
			return skip("there is no user %s any more", user)
		}
		if err != nil {
			return err
		}
		names = append(names, page.PolicyNames...)
	}
	return editInline(names, read, change, "user "+user, maxUserInline, func(text string) error {
		_, err := api.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &user, PolicyName: aws.String(PolicyName), PolicyDocument: &text})
		return err
	}, func() error {
		_, err := api.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: &user, PolicyName: aws.String(PolicyName)})
		return err
	})
}

// editInline changes our inline policy among those of a role or user. The sum
// of all of them is bounded, so the others are looked at too.
func editInline(names []string, read func(name string) (string, error), change edit, whose string, most int, put func(text string) error, remove func() error) error {
	old := ""
	if slices.Contains(names, PolicyName) {
		var err error
		if old, err = read(PolicyName); err != nil {
			return err
		}
	}
	d, err := parseDocument(old)
	if err != nil {
		return fmt.Errorf("inline policy %s of %s: %w", PolicyName, whose, err)
	}
	if !change(d) {
		return nil
	}
	if len(d.statements) == 0 {
		if old == "" {
			return nil
		}
		return remove()
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	if size(text) > size(old) { // taking something away always goes
		sum := size(text)
		for _, name := range names {
			if name == PolicyName {
				continue
			}
			other, err := read(name)
			if err != nil {
				return err
			}
			sum += size(other)
		}
		if sum > most {
			return skip("no room: the inline policies of %s would have %d characters, and IAM takes %d", whose, sum, most)
		}
	}
	return put(text)
}

// editManaged writes a new version of the policy that a permission set
// references. There are five at most, so the oldest that is not the default
// goes before.
func editManaged(ctx context.Context, api *iam.Client, p *standing.Principal, change edit) error {
	arn, _ := policyTarget(p)
	found, err := api.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if isMissing(err) {
		return skip("the role of a permission set cannot be written, and account %s has no policy %s: make one, and let the permission set reference it", p.Account, limit.BlockPolicy)
	}
	if err != nil {
		return err
	}
	version, err := api.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: found.Policy.DefaultVersionId})
	if err != nil {
		return err
	}
	old, err := unescape(aws.ToString(version.PolicyVersion.Document))
	if err != nil {
		return err
	}
	d, err := parseDocument(old)
	if err != nil {
		return fmt.Errorf("policy %s: %w", arn, err)
	}
	if !change(d) {
		return nil
	}
	d.keep()
	text, err := d.text()
	if err != nil {
		return err
	}
	if size(text) > size(old) {
		attached, err := isAttached(ctx, api, p.Name, arn)
		switch {
		case err != nil:
			return err
		case !attached:
			return skip("the permission set of %s does not reference the policy %s: it would block nobody", p.Name, limit.BlockPolicy)
		case size(text) > maxManaged:
			return skip("no room: the policy %s would have %d characters, and IAM takes %d", limit.BlockPolicy, size(text), maxManaged)
		}
	}
	versions, err := api.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &arn})
	if err != nil {
		return err
	}
	if len(versions.Versions) >= maxVersions {
		oldest := -1
		for i, v := range versions.Versions {
			if !v.IsDefaultVersion && (oldest < 0 || aws.ToTime(v.CreateDate).Before(aws.ToTime(versions.Versions[oldest].CreateDate))) {
				oldest = i
			}
		}
		if _, err := api.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: versions.Versions[oldest].VersionId}); err != nil && !isMissing(err) {
			return err
		}
	}
	_, err = api.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &text, SetAsDefault: true})
	return err
}

// isAttached tells whether a role has a managed policy.
func isAttached(ctx context.Context, api *iam.Client, role, policyARN string) (bool, error) {
	pages := iam.NewListAttachedRolePoliciesPaginator(api, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isMissing(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		for _, a := range page.AttachedPolicies {
			if aws.ToString(a.PolicyArn) == policyARN {
				return true, nil
			}
		}
	}
	return false, nil
}
