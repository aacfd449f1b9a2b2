package offer_test

import (
	"testing"

	"yizheng.internal/license/licensetest"
)

// What package licensetest has, in short.
const (
	authority = licensetest.Authority
	typeCode  = licensetest.TypeCode
	citizen   = licensetest.Citizen
	itemCode  = licensetest.ItemCode
	spouse    = licensetest.Spouse
)

var (
	cataloguer = licensetest.Cataloguer
	issuer     = licensetest.Issuer
	definition = licensetest.Definition
	item       = licensetest.Item
	config     = licensetest.Config
	reason     = licensetest.Reason
	consumer   = licensetest.Consumer
	newWorld   = licensetest.New
	newSharing = licensetest.NewSharing
	ask        = licensetest.Ask
	subject    = licensetest.Subject
	toSpouse   = licensetest.ToSpouse
	offer      = licensetest.Offer
	consentTo  = licensetest.ConsentTo
	onPages    = licensetest.OnPages
	ending     = licensetest.Ending
	suspension = licensetest.Suspension
)

type (
	world  = licensetest.World
	stores = licensetest.Stores
)

func TestMain(m *testing.M) { licensetest.Main(m) }
