// Package directory asks who is behind an id: files of people and of accounts
// that somebody keeps, the users of IAM Identity Center, and the accounts of
// an organization with their organizational units. Files are read whole, see
// [ReadCSV] and [ReadAccountsCSV]; what AWS says is one fact for each id, of no
// more personal data than reports show.
package directory

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// perSecond is how many calls each service is asked, of quotas that the
// organization shares with those who sign in. AWS documents no number for any
// of the operations. Tests raise it.
var perSecond = 5

// maxReply is the most that is read of one reply, in bytes.
const maxReply = 1 << 20

// A boundedClient reads no more than maxReply of a reply: the SDK would take
// any.
type boundedClient struct{ aws.HTTPClient }

func (c boundedClient) Do(r *http.Request) (*http.Response, error) {
	response, err := c.HTTPClient.Do(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, maxReply), response.Body}
	}
	return response, err
}

// canonical writes a flat object as JSON with sorted keys, without white space
// and without the members that are empty.
func canonical(members map[string]string) (string, error) {
	for k, v := range members {
		if v = cleaned(v); v == "" {
			delete(members, k)
		} else {
			members[k] = v
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// cleaned bounds what AWS says of a name, and keeps it to one line without
// control characters.
func cleaned(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if s = strings.TrimSpace(s); len(s) <= maxField {
		return s
	}
	n := maxField
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
