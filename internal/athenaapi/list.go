package athenaapi

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
)

const (
	// executionsPerPage is the most that ListQueryExecutions gives.
	executionsPerPage = 50

	// maxListPages bounds a listing. 45 days of a work group that runs ten
	// statements a second have 800,000 pages.
	maxListPages = 1_000_000
)

// WorkGroups returns the names of all work groups (ListWorkGroups). Errors are
// as of [Client.WorkGroupTags].
func (c *Client) WorkGroups(ctx context.Context) (names []string, err error) {
	var token *string
	for range maxListPages {
		var page struct {
			WorkGroups []struct{ Name string }
			NextToken  string
		}
		err := c.list(ctx, OpListWorkGroups, &page, func(more func(*athena.Options)) error {
			_, err := c.api.ListWorkGroups(ctx, &athena.ListWorkGroupsInput{MaxResults: aws.Int32(workGroupsPerPage), NextToken: token}, more)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("list the work groups: %w", workGroupError(err))
		}
		for _, g := range page.WorkGroups {
			if workGroupName.MatchString(g.Name) {
				names = append(names, g.Name)
			}
		}
		if page.NextToken == "" || token != nil && page.NextToken == *token {
			break
		}
		token = &page.NextToken
	}
	return names, nil
}

// Executions yields the ids of a work group's query executions page by page,
// those of the last 45 days (ListQueryExecutions), as Athena orders them: the
// newest first, as it seems, which is not documented. An error is the last
// thing yielded; errors are as of [Client.WorkGroupTags].
func (c *Client) Executions(ctx context.Context, workGroup string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		var token *string
		for range maxListPages {
			var page struct {
				QueryExecutionIds []string
				NextToken         string
			}
			err := c.list(ctx, OpListQueryExecutions, &page, func(more func(*athena.Options)) error {
				_, err := c.api.ListQueryExecutions(ctx, &athena.ListQueryExecutionsInput{
					WorkGroup: &workGroup, MaxResults: aws.Int32(executionsPerPage), NextToken: token,
				}, more)
				return err
			})
			if err != nil {
				yield(nil, fmt.Errorf("list the query executions of work group %q: %w", clip(workGroup), workGroupError(err)))
				return
			}
			ids := page.QueryExecutionIds[:0]
			for _, id := range page.QueryExecutionIds {
				if executionID.MatchString(id) {
					ids = append(ids, id)
				}
			}
			if !yield(ids, nil) || page.NextToken == "" || token != nil && page.NextToken == *token {
				return
			}
			token = &page.NextToken
		}
		yield(nil, fmt.Errorf("list the query executions of work group %q: %w: more than %d pages", clip(workGroup), errReply, maxListPages))
	}
}

// list makes one call and reads its reply into page.
func (c *Client) list(ctx context.Context, operation string, page any, call func(more func(*athena.Options)) error) error {
	return c.send(ctx, operation, maxListReply, call, func(body []byte) error {
		if err := json.Unmarshal(body, page); err != nil {
			return fmt.Errorf("%w: %w", errReply, err)
		}
		return nil
	})
}
