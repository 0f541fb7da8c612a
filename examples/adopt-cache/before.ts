import express from "express";
import mongoose from "mongoose";

const { MONGODB_URL = "mongodb://127.0.0.1:27017/shop", PORT = "3000" } = process.env;

const Book = mongoose.model("Book", new mongoose.Schema({ title: String, shelf: String, price: Number }));
await mongoose.connect(MONGODB_URL);

const setPrice = (id: string, price: number) => Book.findByIdAndUpdate(id, { price }, { returnDocument: "after" });

const app = express();
app.use(express.json());

app.get("/shelves/:shelf", async (req, res) => {
  res.json(await Book.find({ shelf: req.params.shelf }).sort({ title: 1 }).lean());
});

app.put("/books/:id/price", async (req, res) => {
  res.json(await setPrice(req.params.id, req.body.price));
});

const server = app.listen(Number(PORT), "127.0.0.1", () => console.log("listening at", server.address()));

process.once("SIGTERM", () => {
  server.close(() => void mongoose.disconnect());
  server.closeIdleConnections();
});
