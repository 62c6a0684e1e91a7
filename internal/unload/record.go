package unload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A member is what a column, or a member of one, is in CloudTrail's record. The
// table knows names in lower case alone.
type member struct {
	name string
	is   kind
	of   members // of an object or a list of objects
}

type kind int

const (
	text     kind = iota // and whatever else is taken over as it is
	truth                // true or false, as a text in the table
	embedded             // JSON of a service's own, as a text in the table
	object
	list
)

type members map[string]member

func texts(names ...string) members {
	m := members{}
	for _, name := range names {
		m[strings.ToLower(name)] = member{name: name}
	}
	return m
}

func (m members) with(name string, is kind, of members) members {
	m[strings.ToLower(name)] = member{name, is, of}
	return m
}

// columns are those of cloudtrail_logs (internal/report/cloudtraillogs.go) as
// members of a record (CloudTrail User Guide, "CloudTrail record contents").
var columns = texts(
	"eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestID", "eventID",
	"eventType", "apiVersion", "recipientAccountId", "sharedEventID", "vpcEndpointId", "vpcEndpointAccountId", "eventCategory", "sessionCredentialFromConsole",
).
	with("managementEvent", truth, nil).with("readOnly", truth, nil).
	with("requestParameters", embedded, nil).with("responseElements", embedded, nil).with("additionalEventData", embedded, nil).
	with("serviceEventDetails", embedded, nil).with("edgeDeviceDetails", embedded, nil).
	with("resources", list, texts("ARN", "accountId", "type")).
	with("addendum", object, texts("reason", "updatedFields", "originalRequestID", "originalEventID")).
	with("tlsDetails", object, texts("tlsVersion", "cipherSuite", "clientProvidedHostHeader", "keyExchange")).
	with("userIdentity", object, texts("type", "principalId", "arn", "accountId", "invokedBy", "accessKeyId", "userName", "identityProvider", "credentialId").
		with("onBehalfOf", object, texts("userId", "identityStoreArn")).
		with("inScopeOf", object, texts("sourceArn", "sourceAccount", "issuerType", "credentialsIssuedTo")).
		with("invokedByDelegate", object, texts("accountId")).
		with("sessionContext", object, texts("ec2RoleDelivery", "sourceIdentity").
			with("assumedRoot", truth, nil).
			with("attributes", object, texts("mfaAuthenticated", "creationDate")).
			with("sessionIssuer", object, texts("type", "principalId", "arn", "accountId", "userName")).
			with("webIdFederationData", object, texts("federatedProvider", "attributes"))))

var errNoObject = errors.New("not a JSON object")

// record makes a record of a row. A column that is NULL was absent or null in
// the record, which mean the same.
func record(row []byte) ([]byte, error) {
	made, err := columns.record(row)
	if err == nil && made == nil {
		err = errors.New("no column of a record")
	}
	return made, err
}

func (m members) record(row json.RawMessage) (json.RawMessage, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(row, &values); err != nil || values == nil {
		return nil, errNoObject
	}
	var b bytes.Buffer
	for _, column := range slices.Sorted(maps.Keys(values)) {
		as, known := m[strings.ToLower(column)]
		if !known {
			continue // a partition, or a column of the user's own
		}
		v, err := as.value(values[column])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", as.name, err)
		}
		if v == nil {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('{')
		} else {
			b.WriteByte(',')
		}
		b.WriteString(`"` + as.name + `":`)
		b.Write(v)
	}
	if b.Len() == 0 {
		return nil, nil
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// value returns what stands in the record, nil for nothing.
func (m member) value(v json.RawMessage) (json.RawMessage, error) {
	v = bytes.TrimSpace(v)
	if string(v) == "null" {
		return nil, nil
	}
	switch m.is {
	case object:
		return m.of.record(v)
	case list:
		var items []json.RawMessage
		if err := json.Unmarshal(v, &items); err != nil {
			return nil, errors.New("not a JSON array")
		}
		made := []json.RawMessage{}
		for _, item := range items {
			o, err := m.of.record(item)
			if err != nil {
				return nil, err
			}
			if o != nil {
				made = append(made, o)
			}
		}
		var b bytes.Buffer
		b.WriteByte('[')
		b.Write(bytes.Join(bytesOf(made), []byte(",")))
		b.WriteByte(']')
		return b.Bytes(), nil
	case truth, embedded:
		var s string
		if json.Unmarshal(v, &s) != nil {
			return v, nil // it is no text: it is what it stands for
		}
		switch {
		case s == "" || s == "null":
			return nil, nil
		case m.is == truth && s != "true" && s != "false":
			return v, nil
		case json.Valid([]byte(s)):
			return json.RawMessage(s), nil
		}
	}
	return v, nil
}

func bytesOf(list []json.RawMessage) [][]byte {
	all := make([][]byte, len(list))
	for i, v := range list {
		all[i] = v
	}
	return all
}
