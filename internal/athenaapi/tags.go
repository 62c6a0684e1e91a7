package athenaapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/athena"
)

var (
	// ErrDenied means that the caller is not allowed to ask.
	ErrDenied = errors.New("access denied")

	// ErrNotFound means that there is no such work group, at least not now.
	ErrNotFound = errors.New("no such work group")
)

const (
	maxTagReply = 1 << 20

	// maxTagPages bounds the calls for one work group. A resource has at most
	// 50 tags (Athena User Guide, "Tag restrictions"), which is one page.
	maxTagPages = 8
)

var workGroupName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)

// A tag is one of a resource's, as ListTagsForResource gives it.
type tag struct{ Key, Value string }

// WorkGroupTags asks for the tags of a work group (ListTagsForResource) and
// returns them as canonical JSON, sorted by key:
//
//	{"Tags":[{"Key":"team","Value":"finance"}]}
//
// A work group without tags has an empty list. Throttling is waited out until
// ctx is done. Errors are [ErrDenied] and [ErrNotFound], wrapped with what
// Athena said and in the first case the permission that is missing, ctx's own,
// and those of the network.
func (c *Client) WorkGroupTags(ctx context.Context, name string) (tags string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the tags of work group %q: %w", clip(name), err)
		}
	}()
	if !workGroupName.MatchString(name) {
		return "", fmt.Errorf("%w: not a work group's name", ErrNotFound)
	}
	arn := workGroupARN(c.account, c.region, name)
	byKey := map[string]string{}
	var token *string
	for page := 1; ; page++ {
		next, err := c.tagPage(ctx, arn, token, byKey)
		if err != nil {
			return "", workGroupError(err)
		}
		if next == "" {
			break
		}
		if page == maxTagPages {
			return "", fmt.Errorf("%w: more than %d pages", errReply, maxTagPages)
		}
		token = &next
	}
	list := make([]tag, 0, len(byKey))
	for key, value := range byKey {
		list = append(list, tag{key, value})
	}
	slices.SortFunc(list, func(a, b tag) int { return strings.Compare(a.Key, b.Key) })
	return canonical(struct{ Tags []tag }{list})
}

// tagPage adds one page of tags to those known, and returns the next page's
// token, or "".
func (c *Client) tagPage(ctx context.Context, arn string, token *string, tags map[string]string) (next string, err error) {
	err = c.send(ctx, OpListTagsForResource, maxTagReply, func(more func(*athena.Options)) error {
		_, err := c.api.ListTagsForResource(ctx, &athena.ListTagsForResourceInput{ResourceARN: &arn, NextToken: token}, more)
		return err
	}, func(body []byte) error {
		var wire struct {
			Tags      []tag
			NextToken string
		}
		if err := json.Unmarshal(body, &wire); err != nil {
			return fmt.Errorf("%w: %w", errReply, err)
		}
		for _, t := range wire.Tags {
			tags[clip(t.Key)] = clip(t.Value)
		}
		next = wire.NextToken
		return nil
	})
	return next, err
}

// workGroupARN names a work group in the partition that its region belongs to.
func workGroupARN(account, region, name string) string {
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":athena:" + region + ":" + account + ":workgroup/" + name
}
