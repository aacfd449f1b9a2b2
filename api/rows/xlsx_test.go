package rows

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

// sheet returns a workbook that fill filled.
func sheet(t testing.TB, fill func(f *excelize.File, set func(cell string, value any))) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	fill(f, func(cell string, value any) {
		if err := f.SetCellValue("Sheet1", cell, value); err != nil {
			t.Fatal(err)
		}
	})
	path := filepath.Join(t.TempDir(), "a.xlsx")
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestXLSX(t *testing.T) {
	path := sheet(t, func(f *excelize.File, set func(string, any)) {
		set("A1", "编号")
		set("B1", " 姓名 ")
		set("C1", "日期")
		set("A2", "1")
		set("B2", "样例")
		set("C2", time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC))
		set("A4", 13800138000) // row 3 is empty
		set("B4", 110105194912310000.0)
		set("A5", "2")
		if err := f.SetCellFormula("Sheet1", "B5", "A5&A4"); err != nil {
			t.Fatal(err)
		}
		set("A6", "3")
		set("B6", "of two")
		if err := f.MergeCell("Sheet1", "B6", "B7"); err != nil {
			t.Fatal(err)
		}
		set("A7", "4")
		set("A8", "5")
		set("D8", "a column too many")
		custom := `yyyy"年"m"月"d"日"`
		style, err := f.NewStyle(&excelize.Style{CustomNumFmt: &custom})
		if err == nil {
			err = f.SetCellStyle("Sheet1", "C9", "C9", style)
		}
		if err != nil {
			t.Fatal(err)
		}
		set("A9", "6")
		if err := f.SetCellInt("Sheet1", "C9", 45000); err != nil {
			t.Fatal(err)
		}
		set("A10", true)
	})
	headings, rows := all(t, path, Config{})
	same(t, "headings", headings, "编号", "姓名", "日期")
	same(t, "rows", told(rows), `2 ["1" "样例" "2026-11-28"]`, `4 ["13800138000" "110105194912310000" ""] number_imprecise@1`,
		`5 ["2" "" ""] formula@1`, `6 ["3" "of two" ""]`, `7 ["4" "" ""] cells_merged@1`, `8 ["5" "" ",a column too many"] row_malformed@-1`,
		`9 ["6" "" "2023-03-15"]`, `10 ["1" "" ""]`)
	if _, err := Open(path, Config{Sheet: "Sheet2"}); err == nil {
		t.Error("a sheet that isn't there was read")
	}
	if _, err := Open(path, Config{MaxBook: 1000}); err == nil {
		t.Error("a workbook that is too large was read")
	}
	merged := sheet(t, func(f *excelize.File, set func(string, any)) {
		set("A1", "a title")
		set("A2", "x")
		if err := f.MergeCell("Sheet1", "A1", "C1"); err != nil {
			t.Fatal(err)
		}
	})
	_, err := Open(merged, Config{})
	refused(t, err, HeadingInvalid)
}
