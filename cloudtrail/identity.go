package cloudtrail

import (
	"encoding/json"
	"errors"

	"github.com/athenatrail/athenatrail"
)

// DecodeIdentity decodes a userIdentity in canonical form, as
// [athenatrail.RoleSession] holds its Caller, just as [DecodeRecord] does a
// record's. JSON that is no object is an empty identity; what is no JSON is an
// error.
func DecodeIdentity(userIdentity string) (athenatrail.Identity, error) {
	if !json.Valid([]byte(userIdentity)) {
		return athenatrail.Identity{}, errors.New("userIdentity is not JSON")
	}
	return decodeIdentity(userIdentity), nil
}
