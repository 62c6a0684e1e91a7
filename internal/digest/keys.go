package digest

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/digest/chain"
)

// Keys are CloudTrail's public keys.
type Keys interface {
	// Key returns the key of a fingerprint that signed in a region at about
	// that time; nil without an error where there is none.
	Key(ctx context.Context, region, fingerprint string, at time.Time) (*rsa.PublicKey, error)
}

// around is how far around the time of a signature keys are asked for.
const around = time.Hour

// asked are the keys that CloudTrail gives: ListPublicKeys, region by region,
// since each region signs with its own.
type asked struct {
	config func(ctx context.Context, region string) (aws.Config, error)

	mu   sync.Mutex
	held map[string]map[string]*rsa.PublicKey // by region and fingerprint; nil: CloudTrail has none
}

// AskCloudTrail returns the keys that CloudTrail's ListPublicKeys gives, which
// needs no trail and shows the same to every account.
func AskCloudTrail(config func(ctx context.Context, region string) (aws.Config, error)) Keys {
	return &asked{config: config, held: map[string]map[string]*rsa.PublicKey{}}
}

func (k *asked) Key(ctx context.Context, region, fingerprint string, at time.Time) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, known := k.held[region][fingerprint]; known {
		return key, nil
	}
	cfg, err := k.config(ctx, region)
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	if k.held[region] == nil {
		k.held[region] = map[string]*rsa.PublicKey{}
	}
	k.held[region][fingerprint] = nil
	pages := cloudtrail.NewListPublicKeysPaginator(cloudtrail.NewFromConfig(cfg), &cloudtrail.ListPublicKeysInput{
		StartTime: aws.Time(at.Add(-around)), EndTime: aws.Time(at.Add(around)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			delete(k.held[region], fingerprint)
			return nil, fmt.Errorf("ask CloudTrail in %s for its public keys: %w", region, awsconn.Explained(err))
		}
		for _, p := range page.PublicKeyList {
			key, err := chain.ParseKey(base64.StdEncoding.EncodeToString(p.Value))
			if err != nil {
				return nil, fmt.Errorf("ask CloudTrail in %s for its public keys: %w", region, err)
			}
			k.held[region][aws.ToString(p.Fingerprint)] = key
		}
	}
	return k.held[region][fingerprint], nil
}

// given are keys of a file, of all regions.
type given map[string]givenKey

type givenKey struct {
	key      *rsa.PublicKey
	from, to moment // when it signs; zero: at any time
}

// A moment is a time as versions of the AWS CLI print it: RFC 3339, or seconds
// since 1970.
type moment struct{ time.Time }

func (m *moment) UnmarshalJSON(data []byte) error {
	var seconds float64
	if json.Unmarshal(data, &seconds) == nil {
		m.Time = time.Unix(int64(seconds), 0)
		return nil
	}
	return json.Unmarshal(data, &m.Time)
}

const maxKeyFile = 16 << 20

// ReadKeys reads the keys of a file: one or several outputs of `aws cloudtrail
// list-public-keys` one after the other. Its keys are trusted: have it from
// AWS and not from who keeps the trail.
func ReadKeys(file string) (Keys, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read public keys: %w", err)
	}
	defer f.Close()
	keys := given{}
	for decoder := json.NewDecoder(io.LimitReader(f, maxKeyFile)); ; {
		var list struct {
			PublicKeyList []struct {
				Fingerprint, Value                 string
				ValidityStartTime, ValidityEndTime moment
			}
		}
		err := decoder.Decode(&list)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read public keys: %s: %w: want what aws cloudtrail list-public-keys prints", file, err)
		}
		for _, p := range list.PublicKeyList {
			key, err := chain.ParseKey(p.Value)
			if err != nil {
				return nil, fmt.Errorf("read public keys: %s: fingerprint %.64q: %w", file, p.Fingerprint, err)
			}
			keys[p.Fingerprint] = givenKey{key, p.ValidityStartTime, p.ValidityEndTime}
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read public keys: %s: there is none in it: want what aws cloudtrail list-public-keys prints", file)
	}
	return keys, nil
}

func (k given) Key(_ context.Context, _, fingerprint string, at time.Time) (*rsa.PublicKey, error) {
	held := k[fingerprint]
	if !held.from.IsZero() && at.Add(around).Before(held.from.Time) || !held.to.IsZero() && at.Add(-around).After(held.to.Time) {
		return nil, nil
	}
	return held.key, nil
}
