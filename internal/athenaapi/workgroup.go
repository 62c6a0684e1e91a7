package athenaapi

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
)

const (
	// maxWorkGroupReply bounds the reply about one work group, in bytes. Its
	// SparkProperties alone may be large, and are not kept.
	maxWorkGroupReply = 4 << 20

	maxListReply = 1 << 20

	// workGroupsPerPage is the most that ListWorkGroups gives.
	workGroupsPerPage = 50
)

// What is stored of a work group. Left out are Description, which is free
// text, AdditionalConfiguration, EngineConfiguration and its SparkProperties,
// which are free to hold secrets, MonitoringConfiguration, the KMS keys, and
// of the place of results everything but the bucket.
var workGroupMembers = keep{
	"State": nil, "CreationTime": nil, "IdentityCenterApplicationArn": nil,
	"Configuration": {
		"BytesScannedCutoffPerQuery": nil, "EnforceWorkGroupConfiguration": nil, "EnableMinimumEncryptionConfiguration": nil,
		"PublishCloudWatchMetricsEnabled": nil, "RequesterPaysEnabled": nil, "ExecutionRole": nil,
		"EngineVersion":                    {"SelectedEngineVersion": nil, "EffectiveEngineVersion": nil},
		"IdentityCenterConfiguration":      {"EnableIdentityCenter": nil},
		"ManagedQueryResultsConfiguration": {"Enabled": nil},
		"ResultConfiguration":              {"OutputLocation": nil, "EncryptionConfiguration": {"EncryptionOption": nil}},
	},
}

// WorkGroupSettings asks for the settings of a work group (GetWorkGroup) and
// returns those that are kept as canonical JSON, under Athena's own names. A
// setting that Athena leaves out is left out.
//
//	{"Configuration":{"BytesScannedCutoffPerQuery":10000000,...},"CreationTime":1767225600.5,"State":"ENABLED"}
//
// OutputLocation is cut to s3://BUCKET. Throttling is waited out until ctx is
// done. Errors are as of [Client.WorkGroupTags].
func (c *Client) WorkGroupSettings(ctx context.Context, name string) (settings string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the settings of work group %q: %w", clip(name), err)
		}
	}()
	if !workGroupName.MatchString(name) {
		return "", fmt.Errorf("%w: not a work group's name", ErrNotFound)
	}
	err = c.send(ctx, OpGetWorkGroup, maxWorkGroupReply, func(more func(*athena.Options)) error {
		_, err := c.api.GetWorkGroup(ctx, &athena.GetWorkGroupInput{WorkGroup: &name}, more)
		return err
	}, func(body []byte) error {
		members, err := decodeMembers(body)
		if err != nil {
			return err
		}
		group, ok := members["WorkGroup"].(map[string]any)
		if !ok {
			return fmt.Errorf("%w: no WorkGroup", errReply)
		}
		kept := workGroupMembers.of(group)
		cutLocation(kept)
		settings, err = canonical(kept)
		return err
	})
	return settings, workGroupError(err)
}

// cutLocation leaves the bucket of a place of results. The path below it is
// nobody's business here, and may name people.
func cutLocation(settings map[string]any) {
	configuration, _ := settings["Configuration"].(map[string]any)
	result, _ := configuration["ResultConfiguration"].(map[string]any)
	location, ok := result["OutputLocation"].(string)
	if !ok {
		return
	}
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "s3" || u.Host == "" {
		delete(result, "OutputLocation")
		return
	}
	result["OutputLocation"] = "s3://" + u.Host
}

// FirstWorkGroups returns the names of the first work groups, fifty at most,
// and whether there are more, by one call of ListWorkGroups. It is for finding
// out whether that is allowed: see [ErrDenied].
func (c *Client) FirstWorkGroups(ctx context.Context) (names []string, more bool, err error) {
	err = c.send(ctx, OpListWorkGroups, maxListReply, func(options func(*athena.Options)) error {
		_, err := c.api.ListWorkGroups(ctx, &athena.ListWorkGroupsInput{MaxResults: aws.Int32(workGroupsPerPage)}, options)
		return err
	}, func(body []byte) error {
		members, err := decodeMembers(body)
		if err != nil {
			return err
		}
		groups, _ := members["WorkGroups"].([]any)
		for _, g := range groups {
			group, _ := g.(map[string]any)
			if name, ok := group["Name"].(string); ok && workGroupName.MatchString(name) {
				names = append(names, name)
			}
		}
		next, _ := members["NextToken"].(string)
		more = next != ""
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("list the work groups: %w", workGroupError(err))
	}
	return names, more, nil
}

// workGroupError gives what Athena refused about a work group its sentinel.
func workGroupError(err error) error {
	switch {
	case err == nil:
		return nil
	case isDenied(err):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case isNotFound(err), isInvalid(err) && saysNotFound(messageOf(err)):
		return fmt.Errorf("%w: %s", ErrNotFound, messageOf(err))
	}
	return err
}
