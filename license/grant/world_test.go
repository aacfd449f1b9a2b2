package grant_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	typeCode = licensetest.TypeCode
	itemCode = licensetest.ItemCode
)

var (
	issuer     = licensetest.Issuer
	item       = licensetest.Item
	reason     = licensetest.Reason
	consumer   = licensetest.Consumer
	newWorld   = licensetest.New
	newSharing = licensetest.NewSharing
	ask        = licensetest.Ask
	subject    = licensetest.Subject
	toSpouse   = licensetest.ToSpouse
	offer      = licensetest.Offer
	consentTo  = licensetest.ConsentTo
	redeem     = licensetest.Redeem
	onPages    = licensetest.OnPages
	ending     = licensetest.Ending
	kin        = licensetest.Kin
	codeHash   = licensetest.CodeHash
)

type (
	world  = licensetest.World
	stores = licensetest.Stores
)

func TestMain(m *testing.M) { licensetest.Main(m) }
