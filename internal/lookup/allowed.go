package lookup

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// Allowed makes one call of LookupEvents and returns why it is not answered. A
// call that is throttled is allowed: others ask in the account and region.
func Allowed(ctx context.Context, cfg aws.Config, now time.Time) error {
	_, err := newClient(cfg).LookupEvents(ctx, &cloudtrail.LookupEventsInput{
		StartTime: aws.Time(now.Add(-time.Minute)), EndTime: aws.Time(now), MaxResults: aws.Int32(1),
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String(DefaultEvents[0])}},
	})
	if err == nil || awsconn.Throttled(err) {
		return nil
	}
	return explained(err)
}
