//! The QR code (ISO/IEC 18004) as a picture.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use super::PdfError;

/// An SVG of the text, quiet zone included.
pub fn svg(text: &str) -> Result<String, PdfError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|e| PdfError::Qr(e.to_string()))?;
    Ok(code.render::<svg::Color<'_>>().quiet_zone(true).min_dimensions(240, 240).build())
}
